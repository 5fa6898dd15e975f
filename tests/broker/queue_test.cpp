#include "broker/core/queue.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <random>

#include "broker/core/core.hpp"
#include "tests/support/catch.hpp"

using namespace samovar::broker;
using samovar::proto::Priority;

namespace {

struct Waiting {
  std::vector<std::unique_ptr<Request>> requests;

  Request& make(const Client* client, Priority priority, std::size_t bytes = 10) {
    auto request = std::make_unique<Request>();
    request->client = const_cast<Client*>(client);
    request->priority = priority;
    request->payload.set(std::string(bytes, 'x'), nullptr, {});
    request->id = requests.size();
    requests.push_back(std::move(request));
    return *requests.back();
  }
};

std::vector<std::uint64_t> drain(Queue& queue) {
  std::vector<std::uint64_t> ids;
  while (Request* request = queue.front()) {
    ids.push_back(request->id);
    queue.remove(*request);
  }
  return ids;
}

using Ids = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("Clients take turns, however much one of them has queued") {
  Client first;
  Client second;
  Waiting waiting;
  Queue queue;
  for (int i = 0; i < 5; ++i) queue.push_back(waiting.make(&first, Priority::normal));
  for (int i = 0; i < 2; ++i) queue.push_back(waiting.make(&second, Priority::normal));
  CHECK(drain(queue) == Ids{0, 5, 1, 6, 2, 3, 4});
}

TEST_CASE("Short requests of a client go together, as many as all clients can have within a round") {
  Client first;
  Client second;
  Waiting waiting;
  Queue queue;
  for (int i = 0; i < 5; ++i) queue.push_back(waiting.make(&first, Priority::normal));
  for (int i = 0; i < 5; ++i) queue.push_back(waiting.make(&second, Priority::normal));
  Ids ids;
  while (Request* request = queue.front()) {
    ids.push_back(request->id);
    queue.take_front(60);  // two clients: 128 us each
  }
  CHECK(ids == Ids{0, 1, 2, 5, 6, 7, 3, 4, 8, 9});
}

TEST_CASE("A lower class is served first") {
  Client client;
  Waiting waiting;
  Queue queue;
  for (const auto priority :
       {Priority::bulk, Priority::normal, Priority::urgent, Priority::bulk, Priority::urgent}) {
    queue.push_back(waiting.make(&client, priority));
  }
  CHECK(drain(queue) == Ids{2, 4, 1, 0, 3});
}

TEST_CASE("What is queued again stands before the others of its client") {
  Client client;
  Waiting waiting;
  Queue queue;
  Request& first = waiting.make(&client, Priority::normal);
  Request& second = waiting.make(&client, Priority::normal);
  Request& third = waiting.make(&client, Priority::normal);
  queue.push_back(third);
  queue.push_front(second);
  queue.push_front(first);
  CHECK(drain(queue) == Ids{0, 1, 2});
}

TEST_CASE("A queue knows its length and its bytes, and all that is in it") {
  const auto seed = GENERATE(1u, 2u, 3u);
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  std::array<Client, 4> clients;
  Waiting waiting;
  Queue queue;
  std::map<Request*, std::size_t> model;
  for (int step = 0; step < 3'000; ++step) {
    if (model.empty() || random() % 2) {
      Request& request =
          waiting.make(&clients[random() % 4], static_cast<Priority>(random() % 3), 1 + random() % 100);
      random() % 4 ? queue.push_back(request) : queue.push_front(request);
      model[&request] = request.payload.bytes();
    } else {
      auto victim = std::next(model.begin(), static_cast<std::ptrdiff_t>(random() % model.size()));
      Request* request = random() % 2 ? queue.front() : victim->first;
      REQUIRE(model.contains(request));
      for (const auto& [other, bytes] : model)
        REQUIRE((request != queue.front() || request->priority <= other->priority));
      if (request == queue.front() && random() % 2) {
        queue.take_front(static_cast<double>(random() % 200));
      } else {
        queue.remove(*request);
      }
      model.erase(request);
    }
    std::size_t bytes = 0;
    for (const auto& [request, size] : model) bytes += size;
    REQUIRE(queue.size() == model.size());
    REQUIRE(queue.bytes() == bytes);
    REQUIRE(queue.empty() == model.empty());
    REQUIRE((queue.front() == nullptr) == model.empty());
  }
  auto all = queue.all();
  CHECK(all.size() == model.size());
  for (Request* request : all) CHECK(model.erase(request) == 1);
}

// By doing it: how many are dispatched before the last one of this client.
static std::size_t turns_until(Queue& queue, const Client& client, Waiting& waiting, Priority priority) {
  const auto id = waiting.requests.size();
  queue.push_back(waiting.make(&client, priority));
  const Ids ids = drain(queue);
  return static_cast<std::size_t>(std::find(ids.begin(), ids.end(), id) - ids.begin());
}

TEST_CASE("The place of one more request is about that which it then has") {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::deque<Client> clients(1 + random() % 20);
    Waiting waiting;
    Queue queue;
    for (auto& client : clients) {
      const auto length = random() % 3 == 0 ? random() % 300 : random() % 4;
      for (std::size_t i = 0; i < length; ++i) {
        queue.push_back(waiting.make(&client, static_cast<Priority>(random() % 3)));
      }
    }
    const auto priority = static_cast<Priority>(random() % 3);
    const Client& client = clients[random() % clients.size()];
    const auto before = queue.size();
    const auto said = queue.place(&client, priority);
    CHECK(said <= before);
    const auto found = turns_until(queue, client, waiting, priority);
    // Turns of which a line has more or fewer than its power of two, and who is in front.
    CHECK(static_cast<double>(said) <=
          static_cast<double>(found) * 1.5 + static_cast<double>(clients.size()));
    CHECK(static_cast<double>(said) >=
          static_cast<double>(found) * 0.7 - static_cast<double>(clients.size()));
    CHECK(queue.work_us() == 0);
    for (const auto& each : clients) CHECK(each.queued_bytes == 0);
  }
}
