// What the core has decided: messages to peers, and notes for the log. Items for one peer that are decided in one
// turn of the loop become one bundle; nothing waits beyond the turn. The order for each peer is kept.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "broker/core/id_table.hpp"
#include "broker/core/types.hpp"
#include "proto/codec.hpp"

namespace samovar::broker {

struct Message {
  Side side{};
  PeerId peer{};
  std::string frame;
  Frames attachments;
  std::uint32_t replies = 0;           // in it
  std::vector<std::uint64_t> streams;  // of which items are in it, by the client's ids
  bool is_complaint = false;           // not worth keeping for a peer that does not read
};

struct Note {
  enum class Level : std::uint8_t { debug, info, warning };
  Level level;
  std::string topic;  // notes of one topic are limited in rate together
  std::string text;
};

class Outbox {
 public:
  // `tail` as in proto::BundleWriter; copied at once.
  void request(PeerId worker, Epoch epoch, TimePoint now, const proto::RequestItem& item,
               const Frames& attachments);
  void reply(PeerId client, Epoch epoch, const proto::ReplyItem& item, const Frames& attachments);
  void item(PeerId client, Epoch epoch, const proto::StreamItem& item, const Frames& attachments);
  void control(Side side, PeerId peer, std::string frame);
  void complaint(Side side, PeerId peer, std::string frame);
  void note(Note::Level level, std::string topic, std::string text);

  // What has been gathered, in the order in which it is to be sent.
  std::vector<Message> take_messages();
  std::vector<Note> take_notes();

 private:
  struct Draft {
    Side side;
    PeerId peer;
    proto::Kind kind{};                         // of the bundle
    std::optional<proto::BundleWriter> bundle;  // empty: `frame` is complete
    std::string frame;
    Frames attachments;
    std::size_t attached = 0;  // bytes of the attachments
    bool is_complaint = false;
    std::vector<std::uint64_t> streams;
  };

  static void attach(Draft& draft, const Frames& attachments);
  Draft& open_bundle(Side side, PeerId peer, proto::Kind kind, Epoch epoch, TimePoint now, std::size_t bytes);

  std::deque<Draft> drafts_;
  IdTable<Draft> open_{0};  // by peer: those that still take items
  std::vector<Note> notes_;
};

}  // namespace samovar::broker
