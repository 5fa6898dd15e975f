// How a coroutine's calls begin and end.
#include "client/suspension.hpp"

#include <span>
#include <stdexcept>
#include <string>

#include <samovar/client.hpp>

#include "client/driver.hpp"
#include "client/request.hpp"

namespace samovar {

void Resumption::operator()() const {
  suspension_->resume();
}

namespace detail {

HeldCall hold(Client& client, std::string_view method, Request&& request, bool on_executor) {
  auto call = std::make_shared<PendingCall>();
  call->driver = client.driver_;  // whoever waits may outlive the client
  const auto executor = request.executor ? request.executor : client.executor_;
  call->suspension = std::make_shared<Suspension>(on_executor ? executor : nullptr);
  std::string why;
  if (!client::prepare(*call, method, std::move(request), client.defaults_, why)) {
    call->refused = true;
    call->outcome = client::local_outcome(Status::bad_request, std::move(why));
  }
  return call;
}

void suspend(std::span<const HeldCall> calls, void* frame, void (*resume)(void*)) {
  const auto suspension = calls.front()->suspension;
  require_unawaited(!suspension->begun());
  suspension->begin({frame, resume}, calls.size());
  for (const auto& call : calls) {
    call->suspension = suspension;
    if (call->refused) {
      call->driver->refuse(call, std::move(call->outcome));
    } else {
      call->driver->start(call);
    }
  }
}

void abandon(std::span<const HeldCall> calls) noexcept {
  const auto suspension = calls.front()->suspension;
  if (!suspension->begun() || !suspension->abandon()) return;
  for (const auto& call : calls) {
    if (call->driver->usable()) call->driver->cancel(call);
  }
}

void require_unawaited(bool valid) {
  if (!valid) throw std::logic_error("this call was moved, or is awaited a second time: each is made once");
}

}  // namespace detail
}  // namespace samovar
