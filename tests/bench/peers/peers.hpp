// Helpers that stand on the other side of a benchmark. Each runs until its process is ended.
#pragma once

#include <string>

namespace samovar::bench {

// The limit's broker: zmq_proxy between a ROUTER and a DEALER that bind.
int proxy(const std::string& frontend, const std::string& backend);

// The limit's worker: answers each message of raw ZeroMQ without looking at what it asks.
int echo(const std::string& endpoint);

// A worker of Samovar that does nothing: bench.lookup, bench.echo, bench.echo_attached.
int null_worker(const std::string& backend);

// What bench.lookup and the echo answer to a look-up: a map of about 100 bytes in msgpack.
const std::string& fixed_answer();

}  // namespace samovar::bench
