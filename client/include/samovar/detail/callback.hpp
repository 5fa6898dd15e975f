// A callback among the arguments of async_call, and the type of result that it wants. Not for users.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include <samovar/detail/outcome.hpp>
#include <samovar/result.hpp>

namespace samovar::detail {

class Driver;

// The T of async_call<T>, when the caller leaves it to the callback.
struct Unspecified {};

// Any callable, for one reply. Small ones are kept inside, so that they cost no allocation of their own.
class Callback {
 public:
  Callback() = default;
  // `function` takes a Result<T>.
  template <typename T, typename F>
  static Callback of(F&& function) {
    using Function = std::decay_t<F>;
    Callback callback;
    if constexpr (fits(sizeof(Function), alignof(Function)) &&
                  std::is_nothrow_move_constructible_v<Function>) {
      new (callback.room_) Function(std::forward<F>(function));
      callback.type_ = &kType<T, Function>;
    } else {
      new (callback.room_) Boxed<Function>{std::make_unique<Function>(std::forward<F>(function))};
      callback.type_ = &kType<T, Boxed<Function>>;
    }
    return callback;
  }
  Callback(Callback&& other) noexcept : type_(std::exchange(other.type_, nullptr)) {
    if (type_) type_->move(other.room_, room_);
  }
  Callback& operator=(Callback&& other) noexcept {
    if (this == &other) return *this;
    reset();
    type_ = std::exchange(other.type_, nullptr);
    if (type_) type_->move(other.room_, room_);
    return *this;
  }
  ~Callback() { reset(); }

  explicit operator bool() const { return type_ != nullptr; }
  void run(Reply&& reply) { type_->run(room_, std::move(reply)); }
  void reset() {
    if (const auto* type = std::exchange(type_, nullptr)) type->destroy(room_);
  }

 private:
  struct Type {
    void (*run)(void*, Reply&&);
    void (*move)(void* from, void* to) noexcept;  // and destroys
    void (*destroy)(void*) noexcept;
  };
  template <typename F>
  struct Boxed {
    std::unique_ptr<F> function;
    template <typename R>
    void operator()(R&& result) && {
      std::move (*function)(std::forward<R>(result));
    }
  };
  template <typename T, typename F>
  static constexpr Type kType = {
      [](void* room, Reply&& reply) { std::move (*static_cast<F*>(room))(Result<T>(std::move(reply))); },
      [](void* from, void* to) noexcept {
        auto* function = static_cast<F*>(from);
        new (to) F(std::move(*function));
        function->~F();
      },
      [](void* room) noexcept { static_cast<F*>(room)->~F(); },
  };

  static constexpr std::size_t kRoom = 48;
  static constexpr bool fits(std::size_t size, std::size_t alignment) {
    return size <= kRoom && alignment <= alignof(std::max_align_t);
  }
  const Type* type_ = nullptr;
  alignas(std::max_align_t) std::byte room_[kRoom];
};

// The T of the Result<T> that a function takes as its only parameter; Unspecified for anything else.
template <typename Parameter>
struct ResultParameter {
  using type = Unspecified;
};
template <typename T>
struct ResultParameter<Result<T>> {
  using type = T;
};

template <typename F>
struct Signature {
  using type = Unspecified;
};
template <typename R, typename P>
struct Signature<R (*)(P)> : ResultParameter<std::remove_cvref_t<P>> {};
template <typename R, typename P>
struct Signature<R (*)(P) noexcept> : ResultParameter<std::remove_cvref_t<P>> {};
template <typename C, typename R, typename P>
struct Signature<R (C::*)(P)> : ResultParameter<std::remove_cvref_t<P>> {};
template <typename C, typename R, typename P>
struct Signature<R (C::*)(P) const> : ResultParameter<std::remove_cvref_t<P>> {};
template <typename C, typename R, typename P>
struct Signature<R (C::*)(P) noexcept> : ResultParameter<std::remove_cvref_t<P>> {};
template <typename C, typename R, typename P>
struct Signature<R (C::*)(P) const noexcept> : ResultParameter<std::remove_cvref_t<P>> {};

template <typename F>
struct WantedBy : Signature<F> {};
template <typename F>
requires requires {
  &F::operator();
}
struct WantedBy<F> : Signature<decltype(&F::operator())> {};

// With a T that is given, any callable that takes a Result<T> will do, also a generic lambda.
template <typename T, typename F>
struct CallbackType {
  using type = std::conditional_t<std::is_invocable_v<F, Result<T>>, T, Unspecified>;
};
template <typename F>
struct CallbackType<Unspecified, F> : WantedBy<F> {};

template <typename T, typename... Args>
struct LastIsCallback : std::false_type {};
template <typename T, typename Last>
struct LastIsCallback<T, Last>
    : std::bool_constant<!std::is_same_v<typename CallbackType<T, std::decay_t<Last>>::type, Unspecified>> {};
template <typename T, typename First, typename Second, typename... Rest>
struct LastIsCallback<T, First, Second, Rest...> : LastIsCallback<T, Second, Rest...> {};

template <typename T, typename... Args>
inline constexpr bool ends_in_callback = LastIsCallback<T, Args...>::value;

template <typename T, typename F>
Callback make_callback(F&& function) {
  return Callback::of<typename CallbackType<T, std::decay_t<F>>::type>(std::forward<F>(function));
}

}  // namespace samovar::detail
