// Every limit of the protocol and of the broker's defaults, each beside its reason.
// Change one here and in PROTOCOL.md, section 7.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace samovar::limits {

using namespace std::chrono_literals;

// --- on the wire -----------------------------------------------------------------------------------

// Nesting of msgpack arrays and maps, the message's own array included. Python's decoder recurses, and so
// do handlers that walk what they get.
inline constexpr int kMaxDepth = 64;

// Requests or replies in one message: enough to make the cost per message vanish, small enough that one
// message is a few milliseconds of work at most.
inline constexpr std::uint32_t kMaxBundle = 1024;

// "service.method". Names are kept per service and shown in logs and metrics.
inline constexpr std::size_t kMaxNameBytes = 255;

// Buffers outside the body of one item: each is a ZeroMQ frame, which costs about 1 us.
inline constexpr std::uint32_t kMaxAttachments = 64;

// The extension map of one item: trace context, keys; not a place for data.
inline constexpr std::size_t kMaxExtBytes = std::size_t{16} * 1024;

// HELLO, READY, POOL, OBITUARY...: the largest is READY with kMaxMethods names.
inline constexpr std::size_t kMaxControlBytes = std::size_t{256} * 1024;

// Nesting of what a supervisor says and the broker shows unread (POOL's detail, the result of a command): within the
// maps of samovar.status it stays below kMaxDepth.
inline constexpr int kMaxDetailDepth = 32;

// Methods of one service: each holds an estimate of its run time in the broker.
inline constexpr std::size_t kMaxMethods = 1024;

// One message with its attachments, as announced in the broker's HELLO. Peers check it before they send.
inline constexpr std::size_t kDefaultMaxBody = 128u << 20;

// What a socket accepts beyond max_body before it cuts the connection without a word: only hostile peers
// ever get there.
inline constexpr std::size_t kSocketSlack = 1u << 20;

// The schema of a service: READY holds it, beside kMaxMethods names.
inline constexpr std::size_t kMaxSchemaBytes = std::size_t{128} * 1024;

// What is kept of the schemas that one service's workers have announced, by pool and generation; the oldest goes first.
inline constexpr std::size_t kMaxAnnounced = 64;

// Integers in the prefix: what every language's number type holds exactly.
inline constexpr std::uint64_t kMaxPrefixInteger = (std::uint64_t{1} << 53) - 1;

// Text of an error that the broker or a supervisor writes (tracebacks, stderr lines).
inline constexpr std::size_t kMaxErrorText = std::size_t{16} * 1024;

// --- liveness ------------------------------------------------------------------------------------------

// ZMTP heartbeats. The timeout is long, since a body of max_body over a slow link delays a heartbeat by as much.
inline constexpr auto kHeartbeatInterval = 2s;
inline constexpr auto kHeartbeatTimeout = 15s;

// A connection whose handshake takes longer is closed.
inline constexpr auto kHandshakeTimeout = 5s;

// How long the requests of a worker whose connection broke wait for its obituary, which says why, and what it never
// began. It takes a few milliseconds, on a machine that is busy some tens.
inline constexpr auto kObituaryWait = 100ms;

// How long a worker whose obituary came may keep its connection, for the last replies in it: a child that it forked
// may keep it open for ever.
inline constexpr auto kLastReplies = 20ms;

// How long a peer stays suspect after its descriptor was seen to close: the monitor's event may come before the
// pipe's end.
inline constexpr auto kSuspectFor = 100ms;

// Answers to the malformed or stale messages of one peer, and the time for which that is counted.
inline constexpr std::uint32_t kMaxComplaints = 10;
inline constexpr auto kComplaintsPer = 100ms;

// --- deadlines ------------------------------------------------------------------------------------------

// A request without a timeout gets this one: finite, so that nothing waits for ever.
inline constexpr auto kDefaultTimeout = 30s;

// A request that asks for more gets this one.
inline constexpr auto kMaxTimeout = 24h;

// How long a service may be unknown after the broker's start before its callers hear no_service.
inline constexpr auto kStartupGrace = 5s;

// How long a request waits for a first worker of a known service.
inline constexpr auto kNoWorkerGrace = 1s;

// How long a stream waits for a reader that takes no items: one that sleeps must not hold a worker for ever.
inline constexpr auto kStreamIdle = 30s;

// How long the broker lets running requests finish after SIGTERM.
inline constexpr auto kDrainGrace = 10s;

// --- the broker's tables -------------------------------------------------------------------------------

// Requests queued per service, and their bytes: a queue longer than what workers do within a deadline only
// delays the refusal.
inline constexpr std::size_t kMaxQueued = 1'000'000;
inline constexpr std::size_t kMaxQueuedBytes = std::size_t{1} << 30;

// Requests one client may have outstanding.
inline constexpr std::size_t kMaxOutstandingPerClient = 200'000;
inline constexpr std::size_t kMaxQueuedBytesPerClient = std::size_t{512} << 20;

inline constexpr std::size_t kMaxServices = 1'000;
inline constexpr std::size_t kMaxWorkers = 10'000;
inline constexpr std::size_t kMaxPeers = 50'000;

// Calls of samovar.reload and samovar.scale that wait for their supervisors at the same time.
inline constexpr std::size_t kMaxErrands = 64;

// A request that was running at so many deaths of workers is refused for so long. Bounded: each of those that ran at one
// is remembered.
inline constexpr std::uint32_t kQuarantineAfter = 3;
inline constexpr auto kQuarantine = 1h;
inline constexpr std::size_t kMaxSuspects = 1'000;

// Such requests are saved for a later trial: so many files, and none with more bytes.
inline constexpr std::size_t kMaxSaved = 100;
inline constexpr std::size_t kMaxSavedBytes = 16u << 20;

// Schemas that a client was built against, and their bytes from all clients: calls with others are not compared.
inline constexpr std::size_t kMaxDeclared = 64;
inline constexpr std::size_t kMaxDeclaredBytes = 64u << 20;

// Deaths of workers that are remembered, each with up to 32 KiB of text.
inline constexpr std::size_t kMaxDeaths = 100;

// Kinds of errors (a method and a code) that are remembered, each with the text of its last one.
inline constexpr std::size_t kMaxRecentErrors = 64;

// What waits for a peer that does not read, beyond the 64 messages of its socket. More is dropped and counted.
inline constexpr std::size_t kMaxUnsentBytes = 256u << 20;

// --- dispatch ------------------------------------------------------------------------------------------

// Requests one worker may hold, and the estimated work among them. Measured: throughput through a broker
// wants 256 outstanding per worker for calls of microseconds; 2 ms bounds what a request can wait behind
// a busy worker.
inline constexpr std::uint32_t kMaxCredit = 256;
inline constexpr auto kMaxHeldWork = 2ms;

// Brokers that one worker or client holds: each costs a connection of each of its peers, and 16 are far more than the calls of
// one service need.
inline constexpr std::uint32_t kMaxBrokers = 16;

// Work that all clients together get in one round of turns: a client with short requests gets several at once, and no other
// waits longer for its turn than this (or than one request of each, where that is more).
inline constexpr auto kRound = 256us;

// Retries by the broker after worker_lost: at most this share of recent requests, so that a request that
// kills workers cannot take the whole pool with it, and at most this many attempts each.
inline constexpr double kRetryBudget = 0.1;
inline constexpr std::uint8_t kMaxAttempts = 3;

}  // namespace samovar::limits
