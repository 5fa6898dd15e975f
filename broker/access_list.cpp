#include "broker/access_list.hpp"

#include "broker/config_section.hpp"
#include "broker/options.hpp"
#include "proto/key_file.hpp"

namespace samovar::broker {

AccessListPtr read_access_list(const std::string& path) {
  const toml::table table = parse_toml(path);
  auto list = std::make_shared<AccessList>();
  Section top(path, "", table);
  for_each_block(top, "peer", [&](const toml::table& block) {
    auto grant = std::make_shared<Grant>();
    std::string key;
    Section peer(path, "peer.", block);
    peer.text("name", grant->name);
    peer.text("public", key);
    peer.texts("calls", grant->calls);
    peer.texts("provides", grant->provides);
    peer.flag("administers", grant->administers);
    peer.finish();
    if (!proto::is_key(key)) peer.fail(block, "public", "has to be a public key, as in the file NAME.pub");
    if (!list->emplace(key, std::move(grant)).second) peer.fail(block, "public", "is there twice");
  });
  top.finish();
  return list;
}

}  // namespace samovar::broker
