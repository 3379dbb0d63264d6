"""How columns, numbers, truths and gaps are written in text: in files, and on a command line."""

READ_DELIMITERS = (",", ";", "\t")
"""What is read between the columns of a file, where its header has it."""

NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
_NOT_KNOWN = """
? ?? ??? - -- --- \u2013 \u2014 \u2212 . .. ... * na n/a n.a. #n/a #na nan -nan +nan nan(ind) -nan(ind) nat null (null)
<null> [null] none (none) <none> nil <na> [na] (na) undefined \\n \\\\n missing unknown unk empty (empty) blank (blank)
#null! #value! #ref! #div/0! #num! #name? #n/a! #error! 1.#ind -1.#ind 1.#qnan -1.#qnan 1.#snan -1.#snan 1.#nan -1.#nan
n.d. 0000-00-00
"""
_NOT_KNOWN_WORDS = {"#n/a n/a", "not available", "not applicable", "not known", "no data", "0000-00-00 00:00:00"}
NOT_KNOWN = frozenset(_NOT_KNOWN.split()) | _NOT_KNOWN_WORDS
"""What people and programs write, in lower case, where a value is not known."""

TRUE = ("true", "t", "yes", "y", "1", "on", "1.0")
FALSE = ("false", "f", "no", "n", "0", "off", "0.0")
"""What people and programs write for true and for false, in lower case."""
