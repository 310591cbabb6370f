"""The compiled loops of `transforms.kernel.word_table`: they find the distinct words of a text.

Words are kept in UTF-8, one behind the other in an array of bytes, and are found through a hash
table with open addressing. The normalized letters of the word that is being read are written behind
the last word. If it turns out to be new, they stay there; if not, the next word overwrites them.
The hash of a word decides only where to look first: two words are the same if their bytes are.

Code points beyond ASCII are looked up in a table of spellings, which has what normalization makes
of each. What that table cannot treat is left to the slow path of `transforms.kernel.word_table`.

This module loads the compiler, which takes a while.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from transforms.kernel.compiling import compiled

ByteArray = npt.NDArray[np.uint8]
Int64Array = npt.NDArray[np.int64]

# What a byte of the text becomes, if it does not become a lower-case letter or a digit.
DELETED, SEPARATOR, BEYOND_ASCII = range(3)
# What a code point becomes, if it does not become the bytes of a spelling.
SEPARATES, NEEDS_SLOW_PATH, NOT_FILLED = range(-1, -4, -1)
#: The greatest size of a spelling: U+FDFA becomes 18 code points of 2 bytes, less its spaces.
MAX_SPELLING = 64

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


class Words(NamedTuple):
    """Distinct words.

    Attributes:
      data: the bytes of all words, and room for more.
      ends: where each word ends in `data`, after a 0 for where the first one begins.
      hashes: by number of the word, its hash.
      slots: the hash table; in each slot, of which there is a power of two, the number of a word,
        or -1.
      counts: by number of the word, how often it was read.
      seed: the hash of an empty word. It is a random number, so that nobody who writes a text can
        know words that are looked for in one place.
    """

    data: ByteArray
    ends: Int64Array
    hashes: npt.NDArray[np.uint64]
    slots: npt.NDArray[np.int32]
    counts: Int64Array
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


@compiled
def add_to_hash(hashed: Any, byte: Any) -> Any:
    """Returns the hash of a word to which one more byte has been added."""
    mixed = (hashed ^ np.uint64(byte)) * _MULTIPLIER
    return mixed ^ (mixed >> np.uint64(29))


@compiled
def find_or_add(words: Any, size: int, length: int, hashed: Any) -> Any:
    """Finds the word whose bytes stand behind those of the last word, or adds it.

    Args:
      words: a `Words` with room for one more.
      size: how many words there are.
      length: how many bytes the word has.
      hashed: its hash.

    Returns:
      The number of the word, which is `size` if it is new.
    """
    data, ends, hashes, slots, _, _ = words
    begin = np.uint64(ends[size])
    mask = np.uint64(slots.size - 1)
    slot = (hashed ^ (hashed >> np.uint64(32))) & mask
    while slots[slot] >= 0:
        number = np.uint64(slots[slot])
        other = np.uint64(ends[number])
        if hashes[number] == hashed and ends[number + np.uint64(1)] - ends[number] == length:
            same = np.uint64(0)
            while same < np.uint64(length) and data[other + same] == data[begin + same]:
                same += np.uint64(1)
            if same == np.uint64(length):
                return np.int64(number)
        slot = (slot + np.uint64(1)) & mask
    slots[slot] = size
    hashes[size] = hashed
    ends[size + 1] = ends[size] + length
    return size


@compiled
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


@compiled
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
    text: Any, position: int, by_byte: Any, spellings: Any, words: Any, size: int, slow: Any
) -> Any:
    """Reads the words of a text, and counts them.

    It returns before the end of the text if the caller has to do something first.

    Args:
      text: UTF-8 that begins and ends between words.
      position: where to begin; between words.
      by_byte: what each byte becomes.
      spellings: a `Spellings`.
      words: a `Words`.
      size: how many words there are.
      slow: filled with the begin and the end of each piece of text that is left to the slow path.

    Returns:
      Where to go on; how many words there are now; how many pieces are left to the slow path; and
      the page of code points to be filled before it goes on, or -1. If none of that keeps it from
      going on, there is no more room in `words`.
    """
    data, ends, _, _, counts, seed = words
    spelled, spelling_begins, spelling_sizes, spelling_letters = spellings
    slow_pieces = 0
    stop = np.uint64(text.size)
    begin = at = np.uint64(position)
    tail = np.uint64(ends[size])  # where the word that is read begins in `data`
    end = tail  # and where it ends, so far
    hashed = seed
    has_letter = is_slow = False
    while begin < stop:
        letter, step = np.uint8(SEPARATOR), np.uint64(1)
        while at < stop:
            letter = by_byte[text[at]]
            if letter > BEYOND_ASCII:
                data[end] = letter
                hashed = add_to_hash(hashed, letter)
                end += np.uint64(1)
                has_letter = True
            elif letter != DELETED:
                break
            at += np.uint64(1)
        if at == stop:
            letter = np.uint8(SEPARATOR)
        if letter == BEYOND_ASCII:
            code, size_in_text = decode_code_point(text, np.int64(at), text.size)
            step = np.uint64(size_in_text)
            spelling = np.int64(spelling_sizes[code]) if code >= 0 else NEEDS_SLOW_PATH
            if spelling >= 0:
                # What follows in the text may become as many bytes as it has now.
                if end + np.uint64(MAX_SPELLING) + (stop - at) > np.uint64(data.size):
                    return np.int64(begin), size, slow_pieces, -1
                if spelling_letters[code]:
                    has_letter = True
                elif spelling > 0 and not has_letter:
                    is_slow = True  # a mark before all letters: whether it stays, depends
                for index in range(spelling):
                    byte = spelled[spelling_begins[code] + index]
                    data[end] = byte
                    hashed = add_to_hash(hashed, byte)
                    end += np.uint64(1)
            elif spelling == NOT_FILLED:
                return np.int64(begin), size, slow_pieces, code >> 8
            elif spelling == NEEDS_SLOW_PATH:
                is_slow = True
            if spelling != SEPARATES:
                at += step
                continue
        if is_slow:
            if slow_pieces == len(slow):
                return np.int64(begin), size, slow_pieces, -1
            slow[slow_pieces, 0], slow[slow_pieces, 1] = begin, at
            slow_pieces += 1
        elif has_letter:
            if size == counts.size:
                return np.int64(begin), size, slow_pieces, -1
            number = find_or_add(words, size, np.int64(end - tail), hashed)
            counts[number] += 1
            if number == size:
                size += 1
                tail = end
        at += step
        begin = at
        end = tail
        hashed = seed
        has_letter = is_slow = False
    return text.size, size, slow_pieces, -1


@compiled
def add_words(
    data: Any, ends: Any, counts: Any, first: int, words: Any, size: int, numbers: Any
) -> Any:
    """Adds words that are there already, such as those of another table.

    Args:
      data: the bytes of the words.
      ends: where each ends, after a number for where the first one begins.
      counts: how often each occurs.
      first: the number of the first word to be added.
      words: a `Words`.
      size: how many words there are.
      numbers: filled with the number that each of the added words has in `words`.

    Returns:
      The first word that was not added, as there is no more room, and how many words there are.
    """
    for word in range(first, counts.size):
        begin, length = ends[word], ends[word + 1] - ends[word]
        tail = words.ends[size]
        if size == words.counts.size or tail + length > words.data.size:
            return word, size
        hashed = words.seed
        for index in range(length):
            byte = data[begin + index]
            words.data[tail + index] = byte
            hashed = add_to_hash(hashed, byte)
        number = find_or_add(words, size, length, hashed)
        words.counts[number] += counts[word]
        numbers[word] = number
        if number == size:
            size += 1
    return counts.size, size


@compiled
def find_words(data: Any, ends: Any, words: Any, numbers: Any) -> None:
    """Finds words that may be in a table.

    Args:
      data: the bytes of the words to be found.
      ends: where each ends, after a number for where the first one begins.
      words: a `Words`.
      numbers: filled with the number that each has in `words`, or -1.
    """
    table, table_ends, hashes, slots, _, seed = words
    mask = np.uint64(slots.size - 1)
    for word in range(numbers.size):
        begin, length = ends[word], ends[word + 1] - ends[word]
        hashed = seed
        for index in range(length):
            hashed = add_to_hash(hashed, data[begin + index])
        numbers[word] = -1
        slot = (hashed ^ (hashed >> np.uint64(32))) & mask
        while slots[slot] >= 0:
            number = slots[slot]
            other = table_ends[number]
            if hashes[number] == hashed and table_ends[number + 1] - other == length:
                same = 0
                while same < length and table[other + same] == data[begin + same]:
                    same += 1
                if same == length:
                    numbers[word] = number
                    break
            slot = (slot + np.uint64(1)) & mask


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
def fill_slots(words: Any, size: int) -> None:
    """Puts the words into an empty hash table."""
    mask = np.uint64(words.slots.size - 1)
    for number in range(size):
        hashed = words.hashes[number]
        slot = (hashed ^ (hashed >> np.uint64(32))) & mask
        while words.slots[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
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
    for word in range(ends.size - 1):
        begin, stop = ends[word], ends[word + 1]
        found = 0
        at = begin
        while at < stop:
            letter, at = _letter_at(data, at)
            # Insertion is the fastest for words as they occur; others are sorted below.
            place = found
            if stop - begin <= 64:
                while place > 0 and letters[place - 1] > letter:
                    letters[place] = letters[place - 1]
                    place -= 1
            letters[place] = letter
            found += 1
        if stop - begin > 64:
            letters[:found].sort()
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
