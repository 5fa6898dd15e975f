// Who may connect, and what each may do there: the file that `allow` in [security] names.
#pragma once

#include <string>
#include <unordered_map>

#include "broker/core/grant.hpp"

namespace samovar::broker {

using AccessList = std::unordered_map<std::string, GrantPtr>;  // by public key
using AccessListPtr = std::shared_ptr<const AccessList>;

// Throws BadOptions, one sentence with file and line.
AccessListPtr read_access_list(const std::string& path);

}  // namespace samovar::broker
