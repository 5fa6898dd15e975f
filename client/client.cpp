#include <unistd.h>
#include <cerrno>
#include <utility>

#include <samovar/client.hpp>

#include "client/driver.hpp"
#include "client/process.hpp"
#include "client/request.hpp"
#include "client/zmq_transport.hpp"

namespace samovar {
namespace {

using detail::PendingCall;

client::SessionConfig session_config(const ClientOptions& options) {
  client::SessionConfig config;
  config.name = options.name.empty() ? program_invocation_short_name : options.name;
  config.pid = static_cast<std::uint64_t>(getpid());
  config.clock = client::clock_name();
  config.nonce_seed = client::random_number();
  config.id_seed = static_cast<std::uint32_t>(client::random_number());
  config.max_outstanding = options.max_outstanding;
  config.retry_budget = options.retry_budget;
  return config;
}

client::Keys keys_of(const ClientOptions& options) {
  if (options.key_file.empty() != options.broker_key_file.empty()) {
    throw std::invalid_argument(
        "key_file and broker_key_file belong together: this client's key, and the broker's");
  }
  if (options.key_file.empty()) return {};
  try {
    return {proto::read_key_pair(options.key_file), proto::read_public_key(options.broker_key_file)};
  } catch (const proto::BadKey& error) {
    throw std::invalid_argument(error.what());
  }
}

detail::Reply take_reply(PendingCall& call, std::string_view endpoint) {
  return {std::move(call.outcome), std::move(call.method), endpoint, (call.flags & proto::kIdempotent) != 0};
}

}  // namespace

namespace detail {

bool is_ready(const PendingCall& call) {
  return call.ended();
}

bool wait(PendingCall& call, std::optional<SteadyTime> until) {
  return call.driver->wait(call, until);
}

Reply take(PendingCall& call) {
  return take_reply(call, call.driver->endpoints());
}

void cancel(const std::shared_ptr<PendingCall>& call) {
  call->driver->cancel(call);
}

void require(bool valid) {
  if (!valid)
    throw std::logic_error("this samovar::Future holds no call: its result has been taken, or it was moved");
}

}  // namespace detail

Client::Client(const std::string& endpoint, ClientOptions options)
    : defaults_{options.timeout, options.retry},
      executor_(options.executor ? std::make_shared<const Executor>(std::move(options.executor)) : nullptr),
      driver_(detail::Driver::make(endpoint, session_config(options),
                                   client::make_zmq_transport(keys_of(options)),
                                   options.max_connection_age)) {}

Client::~Client() {
  if (driver_->usable()) {
    driver_->close();
  } else {
    client::keep_for_ever(std::move(driver_));
  }
}

const std::string& Client::endpoint() const {
  return driver_->endpoints();
}

detail::Reply Client::perform(std::string_view method, detail::Request&& request) {
  const auto call = std::make_shared<PendingCall>();
  std::string why;
  if (client::prepare(*call, method, std::move(request), defaults_, why)) {
    driver_->perform(call);
  } else {
    driver_->refuse(call, client::local_outcome(Status::bad_request, std::move(why)));
  }
  return take_reply(*call, driver_->endpoints());
}

std::shared_ptr<PendingCall> Client::start(std::string_view method, detail::Request&& request) {
  auto call = std::make_shared<PendingCall>();
  call->driver = driver_;  // a Future may outlive this
  std::string why;
  if (client::prepare(*call, method, std::move(request), defaults_, why)) {
    driver_->start(call);
  } else {
    driver_->refuse(call, client::local_outcome(Status::bad_request, std::move(why)));
  }
  return call;
}

void Client::start(std::string_view method, detail::Request&& request, detail::Callback&& callback) {
  auto call = std::make_shared<PendingCall>();
  call->callback = std::move(callback);
  std::string why;
  if (client::prepare(*call, method, std::move(request), defaults_, why)) {
    driver_->start(std::move(call));
  } else {
    driver_->refuse(std::move(call), client::local_outcome(Status::bad_request, std::move(why)));
  }
}

}  // namespace samovar
