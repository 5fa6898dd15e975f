#include "broker/core/worker.hpp"

#include <cmath>
#include <deque>
#include <map>
#include <memory>
#include <random>

#include "broker/core/estimate.hpp"
#include "tests/support/catch.hpp"

using namespace samovar::broker;

namespace {

// Workers that hold requests without a core.
struct Staff {
  Roster roster;
  std::deque<Worker> workers;
  std::deque<Request> requests;

  Worker& hire(std::uint32_t credit = 256, std::uint32_t concurrency = 1) {
    Worker& worker = workers.emplace_back();
    worker.credit = credit;
    worker.concurrency = concurrency;
    roster.add(worker);
    return worker;
  }
  void load(Worker& worker, double us) {
    Request& request = requests.emplace_back();
    request.charged_us = static_cast<float>(us);
    worker.held.push_back(request);
    worker.held_us += us;
    roster.update(worker);
  }
  void unload(Worker& worker) {
    Request* request = worker.held.pop_front();
    worker.held_us = worker.held.empty() ? 0 : worker.held_us - request->charged_us;
    roster.update(worker);
  }
};

}  // namespace

TEST_CASE("Of idle workers the one that has been idle for longest is chosen") {
  Staff staff;
  Worker& first = staff.hire();
  Worker& second = staff.hire();
  CHECK(staff.roster.pick(10) == &first);
  staff.load(first, 10);
  CHECK(staff.roster.pick(10) == &second);
  staff.load(second, 10);
  staff.unload(first);
  staff.unload(second);
  CHECK(staff.roster.pick({}) == &first);
}

TEST_CASE("An unmeasured or slow request goes to an idle worker only") {
  Staff staff;
  CHECK(staff.roster.pick(10) == nullptr);
  Worker& worker = staff.hire();
  CHECK(staff.roster.pick({}) == &worker);
  CHECK(staff.roster.pick(1e9) == &worker);
  staff.load(worker, 1);
  CHECK(staff.roster.pick({}) == nullptr);
  CHECK(staff.roster.pick(1e9) == nullptr);
  CHECK(staff.roster.pick(1999) == &worker);
  CHECK(staff.roster.pick(1999.5) == nullptr);
}

TEST_CASE("A worker is full at its credit, or at 2 ms of work") {
  Staff staff;
  Worker& few = staff.hire(2);
  staff.load(few, 1);
  CHECK(staff.roster.pick(1) == &few);
  staff.load(few, 1);
  CHECK(staff.roster.pick(1) == nullptr);
  staff.unload(few);
  CHECK(staff.roster.pick(1) == &few);
  staff.roster.remove(few);
  Worker& busy = staff.hire();
  staff.load(busy, 2000);
  CHECK(staff.roster.pick(0.5) == nullptr);
}

TEST_CASE("A worker below its concurrency takes anything, the one with the fewest requests first") {
  Staff staff;
  Worker& wide = staff.hire(256, 64);
  Worker& narrow = staff.hire(256, 2);
  for (int i = 0; i < 4; ++i) {
    Worker* picked = staff.roster.pick({});
    REQUIRE(picked);
    staff.load(*picked, 1e9);
  }
  CHECK(wide.held.size() == 2);
  CHECK(narrow.held.size() == 2);
  for (std::size_t held = 2; held < 64; ++held) {
    REQUIRE(staff.roster.pick(1e9) == &wide);
    staff.load(wide, 1e9);
  }
  CHECK(staff.roster.pick(1) == nullptr);
  staff.unload(narrow);
  CHECK(staff.roster.pick({}) == &narrow);
}

TEST_CASE("A worker at its concurrency takes what is short, within 2 ms of work") {
  Staff staff;
  Worker& worker = staff.hire(256, 3);
  for (int i = 0; i < 3; ++i) staff.load(worker, 500);
  CHECK(staff.roster.pick({}) == nullptr);
  CHECK(staff.roster.pick(500) == &worker);
  CHECK(staff.roster.pick(501) == nullptr);
}

TEST_CASE("Whoever is chosen is of the least loaded kind and has room") {
  const auto seed = GENERATE(1u, 2u, 3u);
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  Staff staff;
  const auto concurrency = GENERATE(1u, 4u, 40u);
  for (int i = 0; i < 8; ++i) {
    staff.hire(static_cast<std::uint32_t>(1 + random() % 10),
               static_cast<std::uint32_t>(1 + random() % concurrency));
  }
  for (int step = 0; step < 5'000; ++step) {
    const double us = static_cast<double>(1 + random() % 700);
    Worker* picked = staff.roster.pick(us);
    double least = 1e9;
    std::size_t fewest = 1'000;
    for (const Worker& worker : staff.workers) {
      const bool has_place = worker.held.size() < std::min(worker.concurrency, worker.credit);
      if (has_place) fewest = std::min(fewest, worker.held.size());
      if (worker.held.size() < worker.credit && worker.held_us < 2000)
        least = std::min(least, worker.held_us);
    }
    if (fewest < 1'000) {
      REQUIRE(picked);
      REQUIRE(picked->held.size() == fewest);
      REQUIRE(picked->held.size() < picked->concurrency);
    } else if (picked) {
      REQUIRE(picked->held.size() < picked->credit);
      REQUIRE((picked->held.empty() || picked->held_us + us <= 2000));
      REQUIRE(picked->held_us <= 2 * least + 1);  // loads are told apart by powers of two
    } else {
      REQUIRE((least == 1e9 || 2 * least + 1 + us > 2000));
    }
    if (picked && random() % 3) staff.load(*picked, us);
    Worker& other = staff.workers[random() % staff.workers.size()];
    if (!other.held.empty() && random() % 2) staff.unload(other);
    REQUIRE(staff.roster.size() == 8);
  }
}

TEST_CASE("A run time's estimate rises fast, falls slowly, and stays near the 95th percentile") {
  RunTime time;
  CHECK_FALSE(time.us());
  time.sample(0);
  CHECK(*time.us() == Approx(0.5));
  for (int i = 0; i < 20; ++i) time.sample(1000);
  CHECK(*time.us() > 980);
  for (int i = 0; i < 20; ++i) time.sample(0);
  CHECK(*time.us() > 780);
  for (int i = 0; i < 2000; ++i) time.sample(0);
  CHECK(*time.us() < 1);

  std::mt19937_64 random(1);
  RunTime uniform;
  for (int i = 0; i < 20'000; ++i) uniform.sample(random() % 1000);
  CHECK(*uniform.us() > 700);
  CHECK(*uniform.us() < 1000);
}

TEST_CASE("Retries are a tenth of what comes, and a few when little does") {
  RetryBudget budget;
  int spent = 0;
  while (budget.spend()) ++spent;
  CHECK(spent == 10);
  for (int i = 0; i < 95; ++i) budget.earn();
  while (budget.spend()) ++spent;
  CHECK(spent == 19);
  for (int i = 0; i < 100'000; ++i) budget.earn();
  spent = 0;
  while (budget.spend()) ++spent;
  CHECK(spent == 100);
}

namespace {

// A second of a service that is never without requests: `slots` of them run at the same time and each takes so long,
// of which it runs for `run`.
void work(Pace& pace, TimePoint& now, std::size_t slots, Duration each, Duration run) {
  const TimePoint end = now + std::chrono::seconds(1);
  for (pace.at(now, true, slots); now < end; pace.at(now, true, slots)) {
    now += each;
    for (std::size_t i = 0; i < slots; ++i) pace.ended(to_us(run));
  }
}

}  // namespace

TEST_CASE("An overloaded caller is told the time that the queue takes, as measured while requests waited") {
  using namespace std::chrono_literals;
  Pace pace;
  TimePoint now(1000s);
  CHECK(pace.time_for(5) == 5ms);  // nothing is known: a millisecond each
  work(pace, now, 4, 2ms, 1ms);
  CHECK(pace.time_for(500) > 240ms);
  CHECK(pace.time_for(500) < 260ms);
  // A minute in which nobody waits, and a request now and then ends, says nothing.
  for (int i = 0; i < 60; ++i) {
    pace.at(now += 1s, false, 4);
    pace.ended(1000);
  }
  CHECK(pace.time_for(500) > 240ms);
  CHECK(pace.time_for(500) < 260ms);
}

TEST_CASE("What a request takes of its slot beside its run is measured too") {
  using namespace std::chrono_literals;
  Pace pace;
  TimePoint now(1000s);
  CHECK(pace.overhead_us() == 0);
  work(pace, now, 4, 2ms, 500us);
  CHECK(std::abs(pace.overhead_us() - 1500) < 50);
  work(pace, now, 4, 1ms, 1ms);
  CHECK(pace.overhead_us() < 50);
}

TEST_CASE("Of a method's run times a high and a low quantile and the mean are known") {
  RunTime time;
  CHECK(!time.us());
  time.sample(400);
  CHECK(time.us() == 400);
  CHECK(time.low_us() == 400);
  CHECK(time.mean_us() == 400);
  for (int i = 0; i < 2000; ++i) time.sample(i % 10 == 0 ? 1000 : i % 10 == 1 ? 10 : 100);
  CHECK(*time.us() > 500);
  CHECK(time.low_us() < 70);
  CHECK(std::abs(time.mean_us() - 181) < 60);
}

TEST_CASE("A limited rate lets a second's worth through at once, then each in its time") {
  using namespace std::chrono_literals;
  RateLimit rate;
  TimePoint now(1000s);
  for (int i = 0; i < 10; ++i) CHECK(rate.pass(now, 10) == 0s);
  const auto wait = rate.pass(now, 10);
  CHECK(wait > 99ms);
  CHECK(wait < 101ms);
  CHECK(rate.pass(now + wait, 10) == 0s);
  CHECK(rate.pass(now + wait, 10) > 0s);
}

TEST_CASE("A worker of several brokers gets from each a part of the work that it may hold") {
  Staff staff;
  Worker& worker = staff.hire();
  worker.brokers = 4;
  staff.load(worker, 400);
  CHECK(staff.roster.pick(100) == &worker);
  CHECK(staff.roster.pick(101) == nullptr);
  staff.load(worker, 100);
  CHECK(staff.roster.pick(0.5) == nullptr);
  staff.unload(worker);
  staff.unload(worker);
  CHECK(staff.roster.pick(1e9) == &worker);  // one request, however long
}

TEST_CASE(
    "Requests with the same key go to the same worker, and only those of one that leaves go elsewhere") {
  Staff staff;
  for (std::uint64_t uid = 1; uid <= 8; ++uid) {
    Worker& worker = staff.hire();
    worker.uid = uid * 0x1234'5678'9abc;
  }
  constexpr std::uint64_t kKeys = 4000;
  std::map<std::uint64_t, Worker*> before;
  std::map<Worker*, int> keys;
  for (std::uint64_t key = 1; key <= kKeys; ++key) {
    before[key] = staff.roster.pick_for(key * 77, 10);
    ++keys[before[key]];
  }
  for (const auto& [worker, count] : keys) CHECK(count > 400);
  REQUIRE(keys.size() == 8);
  Worker& gone = staff.workers[3];
  staff.roster.remove(gone);
  for (std::uint64_t key = 1; key <= kKeys; ++key) {
    Worker* now = staff.roster.pick_for(key * 77, 10);
    if (before[key] == &gone) {
      CHECK(now != &gone);
    } else {
      CHECK(now == before[key]);
    }
  }
}

TEST_CASE("A key's worker that can take no more is passed over for the next in that key's order") {
  Staff staff;
  for (std::uint64_t uid = 1; uid <= 3; ++uid) staff.hire().uid = uid;
  Worker* first = staff.roster.pick_for(42, 10);
  staff.load(*first, 10);
  CHECK(staff.roster.pick_for(42, 10) == first);  // within what a worker may hold
  Worker* next = staff.roster.pick_for(42, {});   // unmeasured: to a free one
  REQUIRE(next);
  CHECK(next != first);
  staff.load(*first, 1990);
  CHECK(staff.roster.pick_for(42, 10) == next);
  staff.load(*next, 2000);
  Worker* last = staff.roster.pick_for(42, 10);
  REQUIRE(last);
  CHECK(last != first);
  CHECK(last != next);
  staff.load(*last, 2000);
  CHECK(staff.roster.pick_for(42, 10) == nullptr);
  staff.unload(*first);
  staff.unload(*first);
  CHECK(staff.roster.pick_for(42, 10) == first);
}
