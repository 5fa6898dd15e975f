// A callback among the arguments of async_call, and the type of result that it wants. Not for users.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include <samovar/detail/outcome.hpp>
#include <samovar/result.hpp>

namespace samovar::detail {

class Driver;

// The T of async_call<T>, when the caller leaves it to the callback.
struct Unspecified {};

class Callback {
 public:
  Callback() = default;
  Callback(const Callback&) = delete;
  Callback& operator=(const Callback&) = delete;
  virtual ~Callback() = default;
  virtual void run(Reply reply) = 0;
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
class TypedCallback final : public Callback {
 public:
  explicit TypedCallback(F function) : function_(std::move(function)) {}
  void run(Reply reply) override { std::move(function_)(Result<T>(std::move(reply))); }

 private:
  F function_;
};

template <typename T, typename F>
std::unique_ptr<Callback> make_callback(F&& function) {
  using Function = std::decay_t<F>;
  using Wanted = typename CallbackType<T, Function>::type;
  return std::make_unique<TypedCallback<Wanted, Function>>(std::forward<F>(function));
}

}  // namespace samovar::detail
