#!/usr/bin/env python3
# Licensed under the Apache License, Version 2.0.
"""Cleans lines of narrative prose, read from standard input, to sentences, one a line.

    xz -dc classics/train.txt.xz | scripts/english-sentences.py > sentences.txt

A line holds one or more sentences, or a speech between double quotation marks. An n-gram model
sees a few words back, so it can't close what it opened long before. The sentences therefore hold
no quotation marks, dashes between words or brackets:

- A speech stands alone, without its marks and without who says it. "Yes," said Anne. becomes Yes.
- A sentence is left out where it holds a dash, a figure, an ellipsis, capitals all through, an
  apostrophe outside a word (goin' and 'em look like a lost mark), or words of dialects and of old
  English that would stand out among the others.
"""
import re
import sys

SHORTEST, LONGEST = 3, 40
# What ends in a full stop without ending a sentence.
TITLES = r"(?:Mr|Mrs|Dr|St|Messrs|Prof|Rev|Hon|Gen|Col|Capt|Lt|Jr|Sr|Esq|No|[A-Z])"
STRANGE = re.compile(
    r"\b(thou|thee|thy|thine|thyself|hath|doth|hast|ye|yer|yeh|nae|dinna|ain't|warn't|hain't|"
    r"mais|mon|oui|mes|les|des)\b", re.IGNORECASE)
END = re.compile(r"(?<![A-Za-z])(?!" + TITLES + r"\.\s)([A-Za-z'-]+)[.!?](?=\s+[A-Z])")


def speeches(line):
    """What is said in a line, without its quotation marks and without who says it."""
    parts = line.split('"')
    if len(parts) % 2 == 0:
        return
    for i in range(1, len(parts), 2):
        speech, remark = parts[i].strip(), parts[i + 1]
        if i > 2 and not re.search(r"[.!?]\s*$", parts[i - 1]):
            continue
        # A comma before the remark stands for a full stop, where the remark ends the sentence.
        if speech.endswith(","):
            if not re.search(r"[a-z]\.\s*$", remark):
                continue
            speech = speech[:-1] + "."
        yield speech


def sentences(line):
    """The sentences of a line of narrative, or of the speeches in it."""
    for text in speeches(line) if '"' in line else [line]:
        start = 0
        for match in END.finditer(text):
            yield text[start:match.end()]
            start = match.end() + 1
        yield text[start:]


def is_readable(sentence):
    """Whether it is one plain sentence."""
    if not re.fullmatch(r"[A-Z][A-Za-z' ,;:.-]*[.!?]", sentence):
        return False
    # Letters stand on both sides of hyphens and apostrophes; marks stand behind a word, alone.
    if re.search(r"(?<![A-Za-z])['-]|['-](?![A-Za-z])", sentence):
        return False
    if re.search(r"[,;:.!?]{2}|(^|\s)[,;:.!?]|[,;:.!?][A-Za-z]", sentence):
        return False
    # Titles and initials aside, a full stop ends the sentence.
    if "." in re.sub(r"\b" + TITLES + r"\. ", " ", sentence)[:-1]:
        return False
    words = re.findall(r"[A-Za-z'-]+", sentence)
    if any(len(word) > 1 and word.isupper() for word in words) or STRANGE.search(sentence):
        return False
    # More capitals than other words make a heading or a title.
    if sum(word[0].isupper() for word in words) * 2 > len(words) + 1:
        return False
    return SHORTEST <= len(words) <= LONGEST


def main():
    for line in sys.stdin:
        for sentence in sentences(line.strip()):
            if is_readable(sentence):
                print(sentence)


main()
