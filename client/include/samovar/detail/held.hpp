// A call that somebody waits for without a thread: a coroutine, or a handler of Asio. Not for users.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include <samovar/detail/pack.hpp>
#include <samovar/executor.hpp>

namespace samovar {
class Client;
}

namespace samovar::detail {

struct PendingCall;
using HeldCall = std::shared_ptr<PendingCall>;

// A call that waits to be started by suspend(). Without `on_executor` on none.
HeldCall hold(Client& client, std::string_view method, Request&& request, bool on_executor = true);

// Starts the calls. When all of them have ended, `resume(frame)` follows on the first one's executor, or without one on the client's
// own thread; never before this has begun to wait, but maybe before it returns. Throws std::logic_error after fork(), and when they
// have been started before.
void suspend(std::span<const HeldCall> calls, void* frame, void (*resume)(void*));
// Cancels them and forgets the frame, unless it is being resumed already.
void abandon(std::span<const HeldCall> calls) noexcept;

// Of a stream: false, and nothing follows, when there is an item, or the end.
bool suspend_for_item(PendingCall& stream, void* frame, void (*resume)(void*));
void abandon_item(PendingCall& stream) noexcept;

void require_unawaited(bool valid);  // std::logic_error

}  // namespace samovar::detail
