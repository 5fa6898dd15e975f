// From the bytes of one received message to the core's events. Together with Core and Outbox this is the whole broker
// but for its sockets: the simulator drives it as the server does.
#pragma once

#include <string_view>
#include <vector>

#include "broker/core/core.hpp"

namespace samovar::broker {

class Wire {
 public:
  explicit Wire(Core& core) : core_(core) {}

  // Takes one message of a peer: its first frame, and the attachments that follow it. Whatever the bytes are, the
  // answer lies in the core's outbox.
  void receive(Side side, PeerId peer, const FramePtr& frame, Frames attachments, TimePoint now);

 private:
  void receive_requests(PeerId peer, Epoch epoch, const FramePtr& frame, Frames& attachments, TimePoint now);
  void receive_replies(PeerId peer, Epoch epoch, const FramePtr& frame, Frames& attachments, TimePoint now);
  void receive_items(PeerId peer, Epoch epoch, const FramePtr& frame, Frames& attachments, TimePoint now);
  void refuse(Side side, PeerId peer, std::string_view why, TimePoint now);

  Core& core_;
  std::vector<proto::RequestItem> requests_;  // reused
  std::vector<proto::ReplyItem> replies_;     // reused
  std::vector<proto::StreamItem> items_;      // reused
};

}  // namespace samovar::broker
