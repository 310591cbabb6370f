"""The compiled loops of `transforms.kernel.word_table`: they find the distinct words of a text.

Words are kept in UTF-8, one behind the other in an array of bytes, and are found through a hash
table with open addressing. The normalized letters of the word that is being read are written behind
the last word. If it turns out to be new, they stay there; if not, the next word overwrites them.
The hash of a word decides only where to look first: two words are the same if their bytes are, and
for words shorter than 8 bytes the hash is a bijection of the bytes.

Code points beyond ASCII are looked up in a table of spellings, which has what normalization makes
of each. What that table cannot treat is left to the slow path of `transforms.kernel.distinct`.

All integers are unsigned, as numba turns signed and unsigned ones, mixed, into floats.

This module loads the compiler, which takes a while.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from transforms.kernel.compiling import compiled, compiled_into_callers

ByteArray = npt.NDArray[np.uint8]
UInt64Array = npt.NDArray[np.uint64]

# What a byte of the text becomes, if it does not become a lower-case letter or a digit.
DELETED, SEPARATOR, BEYOND_ASCII = range(3)
# What a code point becomes, if it does not become the bytes of a spelling.
SEPARATES, NEEDS_SLOW_PATH, NOT_FILLED = range(-1, -4, -1)
#: The greatest size of a spelling: U+FDFA becomes 18 code points of 2 bytes, less its spaces.
MAX_SPELLING = 64

# The columns of `Words.entries`.
HASH, BEGIN, SIZE, COUNT = range(4)

# So many words are looked for at once in a large table.
_TOGETHER = 32
# So few letters are sorted without counting.
_FEW = 16
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SECOND_MULTIPLIER = np.uint64(0xD6E8FEB86659FD93)
_NUMBERS: Any = map(np.uint64, (0, 1, 7, 8, 29, 32))
_0, _1, _7, _8, _29, _32 = _NUMBERS


class Words(NamedTuple):
    """Distinct words.

    Attributes:
      data: the bytes of all words, and room for more.
      entries: by number of the word, its hash, where it begins in `data`, its size in bytes, and
        how often it was read.
      slots: the hash table; in each slot, of which there is a power of two, the number of a word,
        or -1.
      seed: a random number in all hashes, so that nobody who writes a text can know words that are
        looked for in one place.
    """

    data: ByteArray
    entries: UInt64Array
    slots: npt.NDArray[np.int32]
    seed: np.uint64


class Spellings(NamedTuple):
    """What normalization makes of each code point up to U+FFFF.

    Attributes:
      data: the bytes of all spellings.
      begins: by code point, where its spelling begins in `data`.
      sizes: its size in bytes; or SEPARATES, NEEDS_SLOW_PATH or NOT_FILLED.
      letters: 1 if its spelling has a letter or a digit, and not only marks.
    """

    data: ByteArray
    begins: npt.NDArray[np.int32]
    sizes: npt.NDArray[np.int8]
    letters: npt.NDArray[np.uint8]


@compiled_into_callers
def mix(hashed: Any, letters: Any) -> Any:
    """Returns the hash of a word to which up to 8 more bytes have been added.

    It is a bijection of `letters`, in which every bit changes all others.
    """
    mixed = (hashed ^ letters) * _MULTIPLIER
    mixed = (mixed ^ (mixed >> _32)) * _SECOND_MULTIPLIER
    return mixed ^ (mixed >> _29)


@compiled_into_callers
def hash_of(data: Any, begin: Any, size: Any, seed: Any) -> Any:
    """Returns the hash of a word that stands in `data`, as `read_words` makes it."""
    hashed, letters = seed, _0
    for index in range(size):
        letters = letters << _8 | np.uint64(data[begin + np.uint64(index)])
        if np.uint64(index) & _7 == _7:
            hashed, letters = mix(hashed, letters), _0
    return mix(hashed, letters)


@compiled_into_callers
def _has_bytes(words: Any, number: Any, data: Any, begin: Any, size: Any) -> Any:
    """Returns whether a word has the bytes that begin in `data`, of which there are as many."""
    other = words.entries[number, BEGIN]
    same = _0
    while same < size and words.data[other + same] == data[begin + same]:
        same += _1
    return same == size


@compiled_into_callers
def find_slot(words: Any, data: Any, begin: Any, size: Any, hashed: Any) -> Any:
    """Finds a word.

    Args:
      words: a `Words`.
      data: has the bytes of the word.
      begin: where the word begins in `data`.
      size: its size in bytes.
      hashed: its hash.

    Returns:
      The slot that has the number of the word, or the free one where it belongs.
    """
    mask = np.uint64(words.slots.size - 1)
    slot = hashed & mask
    while words.slots[slot] >= 0:
        number = np.uint64(words.slots[slot])
        if (
            words.entries[number, HASH] == hashed
            and words.entries[number, SIZE] == size
            and (size < _8 or _has_bytes(words, number, data, begin, size))
        ):
            return slot
        slot = (slot + _1) & mask
    return slot


@compiled_into_callers
def end_of(words: Any, known: int) -> Any:
    """Returns where the last of so many words ends."""
    return _0 if known == 0 else words.entries[known - 1, BEGIN] + words.entries[known - 1, SIZE]


@compiled_into_callers
def _append(words: Any, number: Any, slot: Any, begin: Any, size: Any, hashed: Any) -> None:
    """Makes an entry for a new word, whose bytes are in its place."""
    words.slots[slot] = number
    words.entries[number, HASH] = hashed
    words.entries[number, BEGIN] = begin
    words.entries[number, SIZE] = size
    words.entries[number, COUNT] = _0


@compiled_into_callers
def _append_copy(
    words: Any, number: Any, slot: Any, at: Any, data: Any, begin: Any, size: Any, hashed: Any
) -> None:
    """Copies the bytes of a new word from `data` to their place, and makes an entry for it."""
    for index in range(size):
        words.data[at + np.uint64(index)] = data[begin + np.uint64(index)]
    _append(words, number, slot, at, size, hashed)


@compiled_into_callers
def decode_code_point(data: Any, at: int, stop: int) -> Any:
    """Decodes the code point at `at`, whose first byte is not ASCII.

    Returns:
      The code point and its size in bytes; -1 and 1 if it is beyond U+FFFF, or if there is no
      valid UTF-8 that ends before `stop`.
    """
    lead = int(data[at])
    second = int(data[at + 1]) if at + 1 < stop else 0
    third = int(data[at + 2]) if at + 2 < stop else 0
    if 0xC2 <= lead <= 0xDF and second & 0xC0 == 0x80:
        return (lead & 0x1F) << 6 | second & 0x3F, 2
    if 0xE0 <= lead <= 0xEF and second & 0xC0 == 0x80 and third & 0xC0 == 0x80:
        code = (lead & 0x0F) << 12 | (second & 0x3F) << 6 | third & 0x3F
        if code >= 0x800 and not 0xD800 <= code <= 0xDFFF:
            return code, 3
    return -1, 1


@compiled_into_callers
def _letter_at(data: Any, at: int) -> Any:
    """Returns the code point at a place in valid UTF-8, and where the next one begins."""
    lead = np.int64(data[at])
    size = 1 + (lead >= 0xC0) + (lead >= 0xE0) + (lead >= 0xF0)
    letter = lead if size == 1 else lead & (0xFF >> (size + 1))
    for more in range(1, size):
        letter = letter << 6 | np.int64(data[at + more] & 0x3F)
    return letter, at + size


@compiled
def read_words(
    text: Any,
    position: int,
    stop: int,
    by_byte: Any,
    spellings: Any,
    words: Any,
    known: int,
    step: Any,
    slow: Any,
) -> Any:
    """Reads the words of a text, and counts them.

    It returns before the end of the text if the caller has to do something first.

    Args:
      text: UTF-8 that begins and ends between words.
      position: where to begin; between words.
      stop: where to end; between words.
      by_byte: what each byte becomes.
      spellings: a `Spellings`.
      words: a `Words`; its `data` has room for the text.
      known: how many words there are.
      step: what is added to the count of each word; the greatest number takes away 1.
      slow: filled with the begin and the end of each piece of text that is left to the slow path.

    Returns:
      Where to go on; how many words there are now; how many pieces are left to the slow path; and
      the page of code points to be filled before it goes on, or -1. If none of that keeps it from
      going on, there is no more room in `words`.
    """
    data, entries, slots, seed = words
    spelled, spelling_begins, spelling_sizes, spelling_letters = spellings
    slow_pieces = 0
    size_of_text = np.uint64(stop)
    begin = at = np.uint64(position)
    # The word that is read is between `tail` and `end`; so many bytes of it are marks.
    tail = end_of(words, known)
    end, marks = tail, _0
    hashed, letters = seed, _0
    is_slow = False
    while begin < size_of_text:
        byte, length = np.uint8(SEPARATOR), _1
        while at < size_of_text:
            byte = by_byte[text[at]]
            if byte > BEYOND_ASCII:
                data[end] = byte
                letters = letters << _8 | np.uint64(byte)
                end += _1
                if (end - tail) & _7 == _0:
                    hashed, letters = mix(hashed, letters), _0
            elif byte != DELETED:
                break
            at += _1
        if at == size_of_text:
            byte = np.uint8(SEPARATOR)
        if byte == BEYOND_ASCII:
            code, size_in_text = decode_code_point(text, np.int64(at), stop)
            length = np.uint64(size_in_text)
            spelling = np.int64(spelling_sizes[code]) if code >= 0 else NEEDS_SLOW_PATH
            if spelling >= 0:
                # What follows in the text may become as many bytes as it has now.
                if end + np.uint64(MAX_SPELLING) + (size_of_text - at) > np.uint64(data.size):
                    return np.int64(begin), known, slow_pieces, -1
                if not spelling_letters[code]:
                    if spelling > 0 and end - tail == marks:
                        is_slow = True  # a mark before all letters: whether it stays, depends
                    marks += np.uint64(spelling)
                for index in range(spelling):
                    byte = spelled[spelling_begins[code] + index]
                    data[end] = byte
                    letters = letters << _8 | np.uint64(byte)
                    end += _1
                    if (end - tail) & _7 == _0:
                        hashed, letters = mix(hashed, letters), _0
            elif spelling == NOT_FILLED:
                return np.int64(begin), known, slow_pieces, code >> 8
            elif spelling == NEEDS_SLOW_PATH:
                is_slow = True
            if spelling != SEPARATES:
                at += length
                continue
        if is_slow:
            if slow_pieces == len(slow):
                return np.int64(begin), known, slow_pieces, -1
            slow[slow_pieces, 0], slow[slow_pieces, 1] = begin, at
            slow_pieces += 1
        elif end - tail > marks:
            if known == len(entries):
                return np.int64(begin), known, slow_pieces, -1
            size = end - tail
            hashed = mix(hashed, letters)
            slot = find_slot(words, data, tail, size, hashed)
            number = int(slots[slot])
            if number < 0:
                number = known
                _append(words, number, slot, tail, size, hashed)
                known += 1
                tail = end
            entries[number, COUNT] += step
        at += length
        begin = at
        end, marks = tail, _0
        hashed, letters = seed, _0
        is_slow = False
    return stop, known, slow_pieces, -1


@compiled
def add_words(
    data: Any, ends: Any, counts: Any, first: int, words: Any, known: int, numbers: Any
) -> Any:
    """Adds words that are columns.

    Args:
      data: the bytes of the words.
      ends: where each ends, after a number for where the first one begins.
      counts: how often each occurs.
      first: the number of the first word to be added.
      words: a `Words`.
      known: how many words there are.
      numbers: filled with the number that each of the added words has in `words`.

    Returns:
      The first word that was not added, as there is no more room, and how many words there are.
    """
    tail = end_of(words, known)
    for word in range(first, counts.size):
        begin, size = np.uint64(ends[word]), np.uint64(ends[word + 1] - ends[word])
        if known == len(words.entries) or tail + size > np.uint64(words.data.size):
            return word, known
        hashed = hash_of(data, begin, size, words.seed)
        slot = find_slot(words, data, begin, size, hashed)
        number = int(words.slots[slot])
        if number < 0:
            number = known
            _append_copy(words, number, slot, tail, data, begin, size, hashed)
            known += 1
            tail += size
        words.entries[number, COUNT] += np.uint64(counts[word])
        numbers[word] = number
    return counts.size, known


@compiled
def add_entries(source: Any, numbers: Any, words: Any, known: int) -> int:
    """Adds words of another table that has the same seed.

    Args:
      source: the other `Words`.
      numbers: which of its words are added.
      words: a `Words` with room for all of them.
      known: how many words there are.

    Returns:
      How many words there are now.
    """
    tail = end_of(words, known)
    found = np.empty(_TOGETHER, np.int64)
    for first in range(0, numbers.size, _TOGETHER):
        together = numbers[first : first + _TOGETHER]
        _find_in_first_slots(source, together, words, found)
        for index in range(together.size):
            other, number = together[index], found[index]
            if number < 0:
                hashed, begin = source.entries[other, HASH], source.entries[other, BEGIN]
                size = source.entries[other, SIZE]
                slot = find_slot(words, source.data, begin, size, hashed)
                number = np.int64(words.slots[slot])
                if number < 0:
                    number = known
                    _append_copy(words, number, slot, tail, source.data, begin, size, hashed)
                    known += 1
                    tail += size
            words.entries[number, COUNT] += source.entries[other, COUNT]
    return known


@compiled_into_callers
def _find_in_first_slots(source: Any, numbers: Any, words: Any, found: Any) -> None:
    """Finds the words of another table that are where their hash says.

    A large table is in no cache. So each loop reads memory in only one place for each word, and the
    processor waits for many of them at once.

    Args:
      source: the other `Words`.
      numbers: which of its words are looked for.
      words: a `Words`.
      found: filled with the number that each has in `words`, or -1 if it is not there or elsewhere.
    """
    mask = np.uint64(words.slots.size - 1)
    for index in range(numbers.size):
        found[index] = words.slots[source.entries[numbers[index], HASH] & mask]
    for index in range(numbers.size):
        number, other = found[index], numbers[index]
        if number >= 0 and not (
            words.entries[number, HASH] == source.entries[other, HASH]
            and words.entries[number, SIZE] == source.entries[other, SIZE]
        ):
            found[index] = -1
    for index in range(numbers.size):
        number, other = found[index], numbers[index]
        size = source.entries[other, SIZE]
        if number >= 0 and size >= _8:
            begin = source.entries[other, BEGIN]
            if not _has_bytes(words, np.uint64(number), source.data, begin, size):
                found[index] = -1


@compiled
def group_by_bucket(
    words: Any, known: int, hash_of_byte: Any, buckets: Any, begins: Any, sizes: Any, numbers: Any
) -> None:
    """Finds out which bucket each word is in, see `transforms.columns.buckets`.

    Args:
      words: a `Words`.
      known: how many words there are; those that do not occur are left out.
      hash_of_byte: by byte, the number that is added up for it.
      buckets: filled with the bucket of each word.
      begins: zeros, one more than buckets; filled with where each bucket begins in `numbers`.
      sizes: zeros; filled with the size of all words of each bucket in bytes.
      numbers: filled with the numbers of the words, bucket by bucket.
    """
    data, entries, _, _ = words
    for number in range(known):
        if entries[number, COUNT] == _0:
            continue
        begin, total = entries[number, BEGIN], _0
        for index in range(entries[number, SIZE]):
            total += hash_of_byte[data[begin + np.uint64(index)]]
        bucket = (total >> _32) % np.uint64(sizes.size)
        buckets[number] = bucket
        sizes[bucket] += entries[number, SIZE]
        begins[bucket + _1] += 1
    for bucket in range(sizes.size):
        begins[bucket + 1] += begins[bucket]
    places = begins.copy()
    for number in range(known):
        if entries[number, COUNT] != _0:
            bucket = buckets[number]
            numbers[places[bucket]] = number
            places[bucket] += 1


@compiled
def find_words(data: Any, ends: Any, words: Any, numbers: Any) -> None:
    """Finds words that may be in a table.

    Args:
      data: the bytes of the words to be found.
      ends: where each ends, after a number for where the first one begins.
      words: a `Words`.
      numbers: filled with the number that each has in `words`, or -1.
    """
    for word in range(numbers.size):
        begin, size = np.uint64(ends[word]), np.uint64(ends[word + 1] - ends[word])
        hashed = hash_of(data, begin, size, words.seed)
        numbers[word] = words.slots[find_slot(words, data, begin, size, hashed)]


@compiled
def most_of_each_letter(data: Any, ends: Any, most: Any) -> None:
    """Finds the greatest number of times that any signature has a letter.

    Args:
      data: the bytes of the signatures.
      ends: where each ends, after a number for where the first one begins.
      most: by code point, zeros; filled with the numbers.
    """
    for word in range(ends.size - 1):
        at, before, times = ends[word], -1, 0
        while at < ends[word + 1]:
            letter, at = _letter_at(data, at)
            times = times + 1 if letter == before else 1
            before = letter
            most[letter] = max(most[letter], times)


@compiled
def sum_letters(data: Any, ends: Any, low: Any, high: Any, sums: Any) -> None:
    """Adds up the weights of the letters of words.

    Args:
      data: the bytes of the words.
      ends: where each ends, after a number for where the first one begins.
      low: by code point, the low weight of a letter.
      high: its high weight.
      sums: filled with the low sum, the high sum and the length of each word.
    """
    for word in range(ends.size - 1):
        at = ends[word]
        low_sum = high_sum = length = np.uint64(0)
        while at < ends[word + 1]:
            letter, at = _letter_at(data, at)
            low_sum += low[letter]
            high_sum += high[letter]
            length += np.uint64(1)
        sums[word, 0], sums[word, 1], sums[word, 2] = low_sum, high_sum, length


@compiled
def fill_slots(words: Any, known: int) -> None:
    """Puts the words into an empty hash table."""
    mask = np.uint64(words.slots.size - 1)
    for number in range(known):
        slot = words.entries[number, HASH] & mask
        while words.slots[slot] >= 0:
            slot = (slot + _1) & mask
        words.slots[slot] = number


@compiled
def lengths_of(data: Any, ends: Any, lengths: Any) -> None:
    """Finds the length of each word in code points.

    Args:
      data: the bytes of the words.
      ends: where each ends, after a number for where the first one begins.
      lengths: filled with the lengths.
    """
    for word in range(lengths.size):
        length = 0
        for at in range(ends[word], ends[word + 1]):
            length += (data[at] & 0xC0) != 0x80
        lengths[word] = length


@compiled_into_callers
def _sort_ascii(data: Any, begin: int, stop: int, signatures: Any, counts: Any) -> Any:
    """Sorts the letters of a word if all are ASCII, and returns whether they are.

    `counts` has a number for each letter, and is all zeros before and after.
    """
    least, greatest = np.uint8(0xFF), np.uint8(0)
    for at in range(begin, stop):
        least, greatest = min(least, data[at]), max(greatest, data[at])
    if greatest >= 0x80:
        return False
    if stop - begin > _FEW:
        for at in range(begin, stop):
            counts[data[at]] += 1
        at = begin
        for letter in range(least, greatest + 1):
            count = counts[letter]
            counts[letter] = 0
            for _ in range(count):
                signatures[at] = letter
                at += 1
        return True
    for at in range(begin, stop):
        # Each letter changes places with the greater ones before it: no branch, so no wrong guess.
        letter = data[at]
        for place in range(begin, at):
            before = signatures[place]
            signatures[place] = min(before, letter)
            letter = max(before, letter)
        signatures[at] = letter
    return True


@compiled_into_callers
def _sort_letters(letters: Any, found: int) -> None:
    """Sorts the first letters of an array. Insertion is the fastest for words as they occur."""
    if found > _FEW:
        letters[:found].sort()
        return
    for at in range(1, found):
        letter = letters[at]
        place = at
        while place > 0 and letters[place - 1] > letter:
            letters[place] = letters[place - 1]
            place -= 1
        letters[place] = letter


@compiled
def sort_letters(data: Any, ends: Any, longest: int, signatures: Any) -> None:
    """Sorts the letters of each word, which gives its signature; it is as long as the word.

    Args:
      data: the bytes of the words.
      ends: where each ends, after a number for where the first one begins.
      longest: the size of the longest word in bytes.
      signatures: filled with the bytes of the signatures, where those of the words are in `data`.
    """
    letters = np.empty(longest, np.int32)
    counts = np.zeros(0x80, np.int32)
    for word in range(ends.size - 1):
        begin, stop = ends[word], ends[word + 1]
        if _sort_ascii(data, begin, stop, signatures, counts):
            continue
        found = 0
        at = begin
        while at < stop:
            letter, at = _letter_at(data, at)
            letters[found] = letter
            found += 1
        _sort_letters(letters, found)
        at = begin
        for index in range(found):
            letter = letters[index]
            if letter < 0x80:
                signatures[at] = letter
                at += 1
            elif letter < 0x800:
                signatures[at] = 0xC0 | letter >> 6
                signatures[at + 1] = 0x80 | letter & 0x3F
                at += 2
            elif letter < 0x10000:
                signatures[at] = 0xE0 | letter >> 12
                signatures[at + 1] = 0x80 | letter >> 6 & 0x3F
                signatures[at + 2] = 0x80 | letter & 0x3F
                at += 3
            else:
                signatures[at] = 0xF0 | letter >> 18
                signatures[at + 1] = 0x80 | letter >> 12 & 0x3F
                signatures[at + 2] = 0x80 | letter >> 6 & 0x3F
                signatures[at + 3] = 0x80 | letter & 0x3F
                at += 4
