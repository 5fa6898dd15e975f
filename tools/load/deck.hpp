// Which method is called next, with which arguments: all of it encoded before the run, so that a call costs two
// look-ups.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace samovar::load {

struct Method {
  std::string name;  // SERVICE.METHOD
  double weight = 1;
  std::vector<std::string> bodies;  // arguments in msgpack; taken in turns, never empty
  std::string keywords{};           // in msgpack, the same for each call; empty: none
};

struct Card {
  const std::string& method;
  const std::string& arguments;
  const std::string& keywords;
};

class Deck {
 public:
  // The order of the methods is drawn by `seed`; in a round each has its exact share.
  Deck(std::vector<Method> methods, std::uint64_t seed);

  const std::vector<Method>& methods() const { return methods_; }

  // A place in the deck, one for each thread that draws. Lives no longer than the deck.
  class Cursor {
   public:
    // Cursors of different `offset` begin at different places.
    Cursor(const Deck& deck, std::size_t offset);
    Card next() {
      std::size_t which = 0;
      if (!deck_->order_.empty()) {
        which = deck_->order_[place_];
        if (++place_ == deck_->order_.size()) place_ = 0;
      }
      const Method& method = deck_->methods_[which];
      const std::string& body = method.bodies[bodies_[which]];
      if (++bodies_[which] == method.bodies.size()) bodies_[which] = 0;
      return {method.name, body, method.keywords};
    }

   private:
    const Deck* deck_;
    std::size_t place_;
    std::vector<std::size_t> bodies_;
  };

 private:
  static constexpr std::size_t kRound = 10'000;
  std::vector<Method> methods_;
  std::vector<std::uint16_t> order_;  // empty when there is one method
};

}  // namespace samovar::load
