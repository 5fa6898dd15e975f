// Limits of the client alone, each beside its reason. What the wire demands is in proto/limits.hpp.
#pragma once

#include <chrono>
#include <cstddef>

namespace samovar::client::limits {

using namespace std::chrono_literals;

// The broker ends calls at their deadline and says whether they ran. This long after it the client ends them by
// itself: the broker is stopped, or its word was lost.
inline constexpr auto kDeadlineGrace = 100ms;

// A refused handshake is tried again all the time: when none has been refused for so long, the broker is gone.
inline constexpr auto kRefusedFor = 2s;

// How long what became of the connection may go unnoticed while nobody waits: calls that are refused at once, those of a
// client that is idle otherwise.
inline constexpr auto kLookForEvents = 10ms;

// How long calls without a timeout of their own wait for a broker, which then sets their deadline.
inline constexpr auto kBrokerWait = 30s;

// A HELLO that stays unanswered for so long was lost: PROTOCOL.md, section 2.
inline constexpr auto kHelloAgain = 5s;

// A broker that failed is left alone for so long, twice as long each time that it does not answer a ping in time, up to the
// longest: a broker that starts anew is there within a second, and one that is gone costs little.
inline constexpr auto kEjected = 100ms;
inline constexpr auto kEjectedLongest = 10s;
inline constexpr auto kPing = 1s;

// Connections of one client: as many as a word of 64 bits tells apart.
inline constexpr std::size_t kMaxLinks = 64;

// Names of brokers are looked up so often; and when a broker is gone or none is known, but not more often than the pause.
inline constexpr auto kLookUpAgain = 30s;
inline constexpr auto kLookUpPause = 1s;

// Of several brokers each gets its share of the calls that wait, but no smaller bundles than this.
inline constexpr std::size_t kLeastShare = 8;

// One message of several calls: large enough to make the cost per message vanish, small enough that the first
// call in it is not held up by the copying of the others. A larger call goes alone.
inline constexpr std::size_t kBundleBytes = 256 * 1024;

// Calls outstanding. The wire's ids and the table's slots have room for 4 million.
inline constexpr std::size_t kMaxOutstanding = 4'000'000;

// Bytes of calls that wait for a broker.
inline constexpr std::size_t kMaxWaitingBytes = std::size_t{1} << 30;

// Messages in the socket's queue to the broker. Few, since what is there can no longer be taken back or bundled;
// enough to keep the I/O thread busy.
inline constexpr int kSendQueue = 64;

// Messages in the socket's queue from the broker. Many, since a full queue stops heartbeats, which cuts the
// connection; a client that reads has few of them, and never more than it has calls outstanding.
inline constexpr int kReceiveQueue = 100'000;

// Messages taken from the socket before the driver looks at anything else.
inline constexpr int kReceiveBatch = 256;

// Replies taken in before their callbacks run, and callbacks run before the calls that they make are sent: whole bundles,
// but not all that is outstanding at once, so that the broker has the next one while the client works.
inline constexpr std::size_t kReplyBatch = 128;

// Calls made in callbacks that are gathered before others can see them.
inline constexpr std::size_t kOutbox = 1024;

// Frames up to this size are copied out of libzmq's read buffer, of which each would pin 8 KiB, and into its
// messages, which is cheaper than an owner of their own.
inline constexpr std::size_t kSmallFrame = 1024;

// Results up to this size are copied, so that one that is kept does not keep the whole message, which may hold a
// thousand. Beyond it the memory is shared.
inline constexpr std::size_t kSmallValue = 1024;

// Retries and hedges of a client, as a share of its calls: as the broker's own retries. A client whose every call fails then adds a
// tenth to the load that made them fail.
inline constexpr double kRetryBudget = 0.1;

}  // namespace samovar::client::limits
