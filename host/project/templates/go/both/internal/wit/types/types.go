// Package types has the types of the generated bindings that Go itself lacks.
package types

// Unit is a result without a value.
type Unit struct{}

const (
	OptionNone uint8 = 0
	OptionSome uint8 = 1

	ResultOk  uint8 = 0
	ResultErr uint8 = 1
)

// Option is a value that may be absent.
type Option[T any] struct {
	tag   uint8
	value T
}

func Some[T any](value T) Option[T] { return Option[T]{OptionSome, value} }
func None[T any]() Option[T]        { return Option[T]{} }

func (self Option[T]) Tag() uint8   { return self.tag }
func (self Option[T]) IsSome() bool { return self.tag == OptionSome }

// Some returns the value, which must be there.
func (self Option[T]) Some() T {
	if self.tag != OptionSome {
		panic("there is no value")
	}
	return self.value
}

// SomeOr returns the value, or another one if it is absent.
func (self Option[T]) SomeOr(otherwise T) T {
	if self.tag == OptionSome {
		return self.value
	}
	return otherwise
}

// Result is a value or an error.
type Result[T any, E any] struct {
	tag uint8
	ok  T
	err E
}

func Ok[T any, E any](value T) Result[T, E]  { return Result[T, E]{tag: ResultOk, ok: value} }
func Err[T any, E any](value E) Result[T, E] { return Result[T, E]{tag: ResultErr, err: value} }

func (self Result[T, E]) Tag() uint8  { return self.tag }
func (self Result[T, E]) IsErr() bool { return self.tag == ResultErr }

// Ok returns the value, which must be there.
func (self Result[T, E]) Ok() T {
	if self.tag != ResultOk {
		panic("there is an error in place of the value")
	}
	return self.ok
}

// Err returns the error, which must be there.
func (self Result[T, E]) Err() E {
	if self.tag != ResultErr {
		panic("there is a value in place of the error")
	}
	return self.err
}
