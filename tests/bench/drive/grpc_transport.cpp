// gRPC's asynchronous client with one completion queue. The bodies are msgpack: no protobuf to pay for.
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <optional>

#include "tests/bench/drive/transport.hpp"

namespace samovar::bench {

namespace {

// A call under way; gRPC wants a new context for each.
struct Call {
  std::optional<grpc::ClientContext> context;
  grpc::ByteBuffer answer;
  grpc::Status status;
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader;
};

class Grpc final : public Transport {
 public:
  explicit Grpc(const TransportOptions& options)
      : stub_(grpc::CreateChannel(options.endpoint, grpc::InsecureChannelCredentials())), slots_(1) {
    Payload payload(options.body);
    send(0, payload.next());
    finish(payload);
  }

  ~Grpc() override {
    queue_.Shutdown();
    void* tag = nullptr;
    for (bool ok = false; queue_.Next(&tag, &ok);) {
    }
  }

  void run(Calls& calls, Payload& payload) override {
    slots_ = std::vector<Call>(calls.outstanding());
    for (std::size_t slot = 0; slot < calls.outstanding(); ++slot) {
      calls.begin(slot);
      send(slot, payload.next());
    }
    while (!calls.over()) {
      const std::size_t slot = finish(payload);
      if (!calls.end(slot)) continue;
      calls.begin_again(slot);
      send(slot, payload.next());
    }
  }

 private:
  void send(std::size_t slot, const std::string& body) {
    Call& call = slots_[slot];
    call.context.emplace();
    call.context->set_wait_for_ready(true);
    const grpc::Slice slice(body);
    const grpc::ByteBuffer request(&slice, 1);
    call.reader = stub_.PrepareUnaryCall(&*call.context, "/bench.Bench/lookup", request, &queue_);
    call.reader->StartCall();
    call.reader->Finish(&call.answer, &call.status, &call);
  }

  std::size_t finish(const Payload& payload) {
    void* tag = nullptr;
    bool ok = false;
    if (!queue_.Next(&tag, &ok) || !ok) throw std::runtime_error("the channel has ended");
    auto& call = *static_cast<Call*>(tag);
    if (!call.status.ok()) throw std::runtime_error(call.status.error_message());
    grpc::Slice slice;
    if (!call.answer.TrySingleSlice(&slice).ok() && !call.answer.DumpToSingleSlice(&slice).ok())
      throw std::runtime_error("no answer in the reply");
    payload.check({reinterpret_cast<const char*>(slice.begin()), slice.size()});
    return static_cast<std::size_t>(&call - slots_.data());
  }

  grpc::GenericStub stub_;
  grpc::CompletionQueue queue_;
  std::vector<Call> slots_;
};

}  // namespace

std::unique_ptr<Transport> make_grpc(const TransportOptions& options) {
  return std::make_unique<Grpc>(options);
}

}  // namespace samovar::bench
