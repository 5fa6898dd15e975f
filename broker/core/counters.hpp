// What the broker counts about itself, since its start. Shown by `samovar status` under these names.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace samovar::broker {

struct Counters {
  std::uint64_t requests = 0;
  std::uint64_t dispatched = 0;
  std::uint64_t retried = 0;
  std::uint64_t requeued = 0;
  std::uint64_t items = 0;
  std::uint64_t late_items = 0;
  std::uint64_t late_replies = 0;
  std::uint64_t stale_epochs = 0;
  std::uint64_t protocol_errors = 0;
  std::uint64_t client_gone = 0;
  std::uint64_t replies_dropped = 0;
  std::uint64_t workers_lost = 0;
  std::uint64_t deaths = 0;
  std::uint64_t hellos = 0;
  std::uint64_t shared = 0;
  std::uint64_t unauthorized = 0;
  std::uint64_t refused_handshakes = 0;
  std::uint64_t refused_connections = 0;
  std::uint64_t hopeless = 0;
  std::uint64_t quarantined = 0;
};

struct NamedCounter {
  std::string_view name;
  std::string_view help;  // for people, and for /metrics
  std::uint64_t Counters::*value;
};

inline constexpr std::array kCounters{
    NamedCounter{"requests", "Requests, accepted or refused: each has one outcome.", &Counters::requests},
    NamedCounter{"dispatched", "Requests sent to a worker, retries included.", &Counters::dispatched},
    NamedCounter{"retried", "Idempotent requests run again after worker_lost.", &Counters::retried},
    NamedCounter{"requeued", "Requests that the worker that died had not begun: another ran them.",
                 &Counters::requeued},
    NamedCounter{"items", "Items of streams handed on to their callers.", &Counters::items},
    NamedCounter{"late_items", "Items of a stream that had ended, or never was.", &Counters::late_items},
    NamedCounter{"late_replies", "Replies to a request that had ended, or never was.",
                 &Counters::late_replies},
    NamedCounter{"stale_epochs", "Messages under an epoch that is not their connection's.",
                 &Counters::stale_epochs},
    NamedCounter{"protocol_errors", "Messages refused as a whole.", &Counters::protocol_errors},
    NamedCounter{"client_gone", "Requests whose client left before their outcome.", &Counters::client_gone},
    NamedCounter{"replies_dropped", "Outcomes that did not leave: their client does not read, or has gone.",
                 &Counters::replies_dropped},
    NamedCounter{"workers_lost", "Workers whose connection broke or that died, while they were not drained.",
                 &Counters::workers_lost},
    NamedCounter{"deaths", "Deaths of workers, each with a report (samovar crashes).", &Counters::deaths},
    NamedCounter{"hellos", "Sessions asked for.", &Counters::hellos},
    NamedCounter{"shared", "Requests that took part in the outcome of an equal one (pure methods).",
                 &Counters::shared},
    NamedCounter{"unauthorized", "Requests, HELLOs and READYs of peers whose key does not allow them.",
                 &Counters::unauthorized},
    NamedCounter{"refused_handshakes", "Connections whose key is not known.", &Counters::refused_handshakes},
    NamedCounter{"refused_connections", "Connections closed at once: there were too many.",
                 &Counters::refused_connections},
    NamedCounter{"hopeless", "Requests refused since their deadline would have passed in the queue.",
                 &Counters::hopeless},
    NamedCounter{"quarantined", "Requests refused since such ones had been running at deaths of workers.",
                 &Counters::quarantined},
};

}  // namespace samovar::broker
