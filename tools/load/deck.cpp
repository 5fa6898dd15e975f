#include "tools/load/deck.hpp"

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>

namespace samovar::load {

Deck::Deck(std::vector<Method> methods, std::uint64_t seed) : methods_(std::move(methods)) {
  if (methods_.size() == 1) return;
  double total = 0;
  for (const auto& method : methods_) total += method.weight;
  double sum = 0;
  for (std::size_t i = 0; i < methods_.size(); ++i) {
    sum += methods_[i].weight;
    order_.resize(static_cast<std::size_t>(std::llround(sum / total * kRound)),
                  static_cast<std::uint16_t>(i));
  }
  std::mt19937_64 random(seed);
  std::shuffle(order_.begin(), order_.end(), random);
}

Deck::Cursor::Cursor(const Deck& deck, std::size_t offset)
    : deck_(&deck), place_(deck.order_.empty() ? 0 : offset % deck.order_.size()) {
  for (const auto& method : deck.methods_) bodies_.push_back(offset % method.bodies.size());
}

}  // namespace samovar::load
