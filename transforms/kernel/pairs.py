"""Pairs of numbers that compiled loops add and store with one instruction each.

The compiler does not join two additions, or two stores, of neighbouring numbers by itself. In a
loop over bytes that does little else, this takes a third of the time.

A pair is a vector of two 64-bit numbers. Pairs are kept in the rows of an array of two columns. A
row is given by its offset in bytes, `PAIR_SIZE` times its number, which saves a shift for each
access. Nothing checks that an offset is inside the array.

Compiled loops have this code in them, and are not compiled anew if only this file is changed.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, models, register_model

#: The size of a pair, in bytes.
PAIR_SIZE = np.uint64(16)

_VECTOR = ir.VectorType(ir.IntType(64), 2)


class _PairType(types.Type):
    """The compiler's type of a pair."""

    def __init__(self) -> None:
        super().__init__(name="UInt64Pair")


_PAIR = _PairType()


def _pair_model(manager: Any, pair_type: _PairType) -> models.PrimitiveModel:
    """A pair is held in a vector register."""
    return models.PrimitiveModel(manager, pair_type, _VECTOR)


register_model(_PairType)(_pair_model)


def _intrinsic(function: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a function that compiled code can call, without the argument that is the compiler."""
    made: Callable[..., Any] = intrinsic(function)
    return made


@_intrinsic
def zero_pair(typing_context: Any) -> Any:
    """Returns a pair of zeros."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return ir.Constant(_VECTOR, None)

    return _PAIR(), generate


@_intrinsic
def add_row(typing_context: Any, pair: Any, rows: Any, offset: Any) -> Any:
    """Returns the sum of a pair and the row at an offset."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pair, rows, offset = args
        row = _row(context, builder, signature.args[1], rows, offset)
        return builder.add(pair, builder.load(row, align=8))

    return _PAIR(_PAIR, rows, types.uint64), generate


@_intrinsic
def put_row(typing_context: Any, pair: Any, rows: Any, offset: Any) -> Any:
    """Stores a pair in the row at an offset."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pair, rows, offset = args
        row = _row(context, builder, signature.args[1], rows, offset)
        builder.store(pair, row, align=8)
        return context.get_dummy_value()

    return types.void(_PAIR, rows, types.uint64), generate


def _row(context: Any, builder: Any, array_type: Any, array: Any, offset: Any) -> Any:
    """Generates the pointer to a row of an array."""
    struct: Any = cgutils.create_struct_proxy(array_type)
    begin = builder.ptrtoint(struct(context, builder, value=array).data, ir.IntType(64))
    address = builder.add(begin, offset)
    return builder.inttoptr(address, _VECTOR.as_pointer())
