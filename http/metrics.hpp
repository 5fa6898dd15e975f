// What `samovar status` shows, as Prometheus reads it (text format 0.0.4).
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace samovar::http {

// `status` as from the method samovar.status; what is missing there is left out.
std::string metrics_of(const nlohmann::ordered_json& status);

}  // namespace samovar::http
