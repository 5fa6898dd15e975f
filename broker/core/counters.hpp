// What the broker counts about itself, since its start. Shown by `samovar status` under these names.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace samovar::broker {

struct Counters {
  std::uint64_t requests = 0;         // accepted or refused: each has one outcome
  std::uint64_t dispatched = 0;       // sent to a worker, retries included
  std::uint64_t retried = 0;          // idempotent ones, after worker_lost
  std::uint64_t requeued = 0;         // never begun by the worker that died
  std::uint64_t items = 0;            // of streams, handed on to their callers
  std::uint64_t late_items = 0;       // of a stream that had ended, or never was
  std::uint64_t late_replies = 0;     // for a request that had ended, or never was
  std::uint64_t stale_epochs = 0;     // messages under an epoch that is not their connection's
  std::uint64_t protocol_errors = 0;  // messages refused as a whole
  std::uint64_t client_gone = 0;      // requests whose client left before their outcome
  std::uint64_t replies_dropped = 0;  // outcomes that did not leave: their client does not read, or has gone
  std::uint64_t workers_lost = 0;     // connection broken or obituary, while not drained
  std::uint64_t hellos = 0;
  std::uint64_t shared = 0;        // requests that took part in the outcome of an equal one (pure methods)
  std::uint64_t unauthorized = 0;  // requests, HELLOs and READYs of peers whose key does not allow them
  std::uint64_t refused_handshakes = 0;   // connections whose key is not known
  std::uint64_t refused_connections = 0;  // closed at once: there were too many
  std::uint64_t hopeless = 0;     // requests refused since their deadline would have passed in the queue
  std::uint64_t quarantined = 0;  // requests refused since such ones had been running at deaths of workers
};

struct NamedCounter {
  std::string_view name;
  std::uint64_t Counters::*value;
};

inline constexpr std::array kCounters{
    NamedCounter{"requests", &Counters::requests},
    NamedCounter{"dispatched", &Counters::dispatched},
    NamedCounter{"retried", &Counters::retried},
    NamedCounter{"requeued", &Counters::requeued},
    NamedCounter{"items", &Counters::items},
    NamedCounter{"late_items", &Counters::late_items},
    NamedCounter{"late_replies", &Counters::late_replies},
    NamedCounter{"stale_epochs", &Counters::stale_epochs},
    NamedCounter{"protocol_errors", &Counters::protocol_errors},
    NamedCounter{"client_gone", &Counters::client_gone},
    NamedCounter{"replies_dropped", &Counters::replies_dropped},
    NamedCounter{"workers_lost", &Counters::workers_lost},
    NamedCounter{"hellos", &Counters::hellos},
    NamedCounter{"shared", &Counters::shared},
    NamedCounter{"unauthorized", &Counters::unauthorized},
    NamedCounter{"refused_handshakes", &Counters::refused_handshakes},
    NamedCounter{"refused_connections", &Counters::refused_connections},
    NamedCounter{"hopeless", &Counters::hopeless},
    NamedCounter{"quarantined", &Counters::quarantined},
};

}  // namespace samovar::broker
