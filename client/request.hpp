// From what a call expression says to a call that can be started.
#pragma once

#include <memory>
#include <string_view>

#include <samovar/detail/pack.hpp>

#include "client/pending_call.hpp"

namespace samovar::client {

// Fills `call`. False when the arguments cannot be sent, for the reason in `why`: one bad body would spoil its
// neighbours in a bundle.
bool prepare(detail::PendingCall& call, std::string_view method, detail::Request&& request,
             const detail::Defaults& defaults, std::string& why);

}  // namespace samovar::client
