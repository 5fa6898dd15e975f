// Streams: how a worker sends one, within its window, and how its reader takes it.
#include <algorithm>

#include "tests/sim/world.hpp"

namespace samovar::sim {

using namespace std::chrono_literals;

Worker::Item* Worker::find(std::uint64_t id) {
  for (auto& [run, item] : running_) {
    if (item.epoch == epoch_ && item.id == id) return &item;
  }
  const auto at = std::find_if(queue_.begin(), queue_.end(), [&](const Item& item) { return item.id == id; });
  return at == queue_.end() ? nullptr : &*at;
}

void Worker::widened(const std::vector<proto::Window>& windows) {
  for (const auto& [id, window] : windows) {
    Item* item = find(id);
    if (!item) continue;
    if (!item->is_stream) return world_.fail(name_ + " got a window for a call that is no stream");
    if (window > world_.find(item->echo)->window)
      return world_.fail(name_ + " got a window that no reader gave");
    item->window = std::max<std::uint64_t>(item->window, window);
  }
  wake_streams();
}

void Worker::cancelled(const std::vector<std::uint64_t>& ids) {
  for (const auto id : ids) {
    Item* item = find(id);
    if (!item) continue;
    if (!item->is_stream) return world_.fail(name_ + " got CANCEL for a method that does not take it");
    item->cancelled = true;
  }
  wake_streams();
}

// Those that rest, and have a reason not to: a larger window, a CANCEL, or that their connection is over.
void Worker::wake_streams() {
  for (auto& [run, item] : running_) {
    if (!item.rests || (item.epoch == epoch_ && !item.cancelled && item.seq >= item.window)) continue;
    item.rests = false;
    stream_on(run);
  }
}

void Worker::stream_on(std::uint64_t run) {
  finish_in(random_.between(1us, std::max<Duration>(spec_.service.slowest / 8, 2us)), run);
}

// Some items, or the end.
void Worker::step_stream(std::uint64_t run) {
  Item& item = running_.at(run);
  CallRecord& record = *world_.find(item.echo);
  if (item.epoch != epoch_) return end(run, Status::ok);  // discarded
  if (item.cancelled) return end(run, Status::cancelled);
  if (item.seq >= record.length) return end(run, random_.chance(0.1) ? Status::app_error : Status::ok);
  std::uint64_t until = std::min({record.length, item.window, item.seq + random_.pick({1, 1, 5})});
  if (world_.lies() && random_.chance(0.02)) {
    record.lied_about = true;
    if (random_.chance(0.5)) item.seq += 1;
    until = item.seq + 1;
  }
  if (until <= item.seq) {
    item.rests = true;
    world_.tally().add("sim.streams_rested");
    return flush();
  }
  std::vector<test::ItemSpec> items;
  broker::Frames attachments;
  for (; item.seq < until; ++item.seq) {
    const auto number = std::to_string(item.seq);
    const bool attached = random_.chance(0.1);
    if (attached) attachments.push_back(test::frame(item.echo + "#" + number));
    const auto ext = attached ? test::ext({{"attachments", 1}}) : test::ext({});
    items.push_back({item.id, item.attempt, item.seq, test::str(item.echo + "/" + number) + ext});
  }
  world_.network().send(*this, test::encode_items(epoch_, items), std::move(attachments));
  stream_on(run);
}

// --- the reader ----------------------------------------------------------------------------------------------

void World::make_stream(CallRecord& record, std::map<std::string, std::uint64_t>& extensions,
                        Random& random) {
  record.call->flags |= proto::kStream;
  record.length = random.chance(0.2) ? 0 : random.below(100);
  record.reader = random.pick({Reader::quick, Reader::quick, Reader::quick, Reader::quick, Reader::quick,
                               Reader::slow, Reader::stops, Reader::cancels});
  record.reads = random.below(40);
  record.window = 16;
  if (random.chance(0.5)) extensions["window"] = record.window = 1 + random.below(20);
}

void World::arrived(const client::Completion& item, ClientHost& client) {
  const auto at = by_call_.find(reinterpret_cast<std::uintptr_t>(item.call.get()));
  if (at == by_call_.end()) return fail("an item came of a call that nobody made");
  CallRecord& record = *at->second;
  const auto number = std::to_string(record.items);
  if (record.client != client.name()) return fail("an item of " + record.echo + " came to another client");
  if (!record.is_stream()) return fail(record.echo + " is no stream, and got an item");
  if (record.outcomes > 0) return fail("an item of " + record.echo + " came behind its end");
  if (record.items >= record.window) return fail("item " + number + " of " + record.echo + " is too many");
  if (test::text_of_value(item.outcome.value.bytes()) != record.echo + "/" + number)
    return fail("item " + number + " of " + record.echo + " is another");
  for (const auto& attachment : item.outcome.attachments) {
    if (attachment.bytes() != record.echo + "#" + number)
      return fail(record.echo + " got the attachment of another item");
  }
  record.items += 1;
  tally_.add("sim.items");
  read_on(record, client);
}

void World::read_on(CallRecord& record, ClientHost& client) {
  const bool enough = record.items >= record.reads;
  if (enough && record.reader == Reader::stops) return;
  if (enough && record.reader == Reader::cancels) {
    tally_.add("sim.streams_cancelled");
    clock_.after(0us, [&record, &client] { client.cancel(record); });
    return;
  }
  const auto window = record.items + 1 + random_.below(20);
  const bool sleeps = record.reader == Reader::slow && random_.chance(0.2);
  clock_.after(sleeps                ? random_.between(1ms, 200ms)
               : random_.chance(0.5) ? 0us
                                     : random_.between(1us, 2ms),
               [&record, &client, window] { client.widen(record, window); });
}

}  // namespace samovar::sim
