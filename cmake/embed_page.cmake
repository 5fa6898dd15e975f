# Writes a C++ file with the files of the live page in it. -D OUT=FILE -D FILES=a;b
set(arrays "")
set(table "")
set(number 0)
foreach(file IN LISTS FILES)
  get_filename_component(name ${file} NAME)
  string(REGEX MATCH "[a-z]+$" extension ${name})
  set(type_html "text/html; charset=utf-8")
  set(type_js "text/javascript; charset=utf-8")
  set(type_css "text/css; charset=utf-8")
  set(path "/${name}")
  if(name STREQUAL "index.html")
    set(path "/")
  endif()
  file(READ ${file} bytes HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  string(APPEND arrays "constexpr unsigned char kFile${number}[] = {${bytes}0};\n")
  string(APPEND table "    {\"${path}\", \"${type_${extension}}\", text(kFile${number}, sizeof kFile${number})},\n")
  math(EXPR number "${number} + 1")
endforeach()
if(table)
  set(body "const PageFile kFiles[] = {\n${table}};\n")
  set(result "kFiles")
else()
  set(result "{}")
endif()
file(WRITE ${OUT} "// Written by cmake/embed_page.cmake.
#include \"http/page.hpp\"

namespace samovar::http {
namespace {

${arrays}
[[maybe_unused]] std::string_view text(const unsigned char* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size - 1};
}

${body}
}  // namespace

std::span<const PageFile> page_files() { return ${result}; }

}  // namespace samovar::http
")
