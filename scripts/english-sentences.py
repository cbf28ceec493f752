#!/usr/bin/env python3
# Licensed under the Apache License, Version 2.0.
"""Cleans the books of norvig_big.txt (https://norvig.com/big.txt) to sentences, one a line.

    english-sentences.py norvig_big.txt > sentences.txt

Keeps what stands between Project Gutenberg's own marks of each book's beginning and end, without
headings, tables, notes and illustrations. A sentence keeps neither quotation marks, which a
model of three words cannot close, nor figures; one that would read wrongly without them is
left out.
"""
import re
import sys

BOOKS = {
    "sherlock": ("THE ADVENTURES OF SHERLOCK HOLMES ***", "*** END OF"),
    "history": ("HISTORY OF THE UNITED STATES ***", "End of the Project Gutenberg"),
    "surgery": ("MANUAL OF SURGERY ***", "End of the Project Gutenberg"),
    "war": ("WAR AND PEACE ***", "*** END OF"),
}
# What ends in a full stop without ending a sentence.
ABBREVIATIONS = set(
    """Mr Mrs Ms Dr St Messrs Prof Rev Hon Gen Col Capt Lieut Lt Maj Sergt Gov Sen Jr Sr Esq No Nos
    Vol Vols pp p ch cf Fig Figs etc viz vs Co Inc Mt Ft Jan Feb Mar Apr Aug Sept Oct Nov Dec
    Mme Mlle M""".split())


def paragraphs(lines):
    block = []
    for line in lines + [""]:
        line = line.rstrip()
        if line.strip():
            block.append(line)
            continue
        if block and not is_furniture(block):
            yield re.sub(r"\s+", " ", " ".join(block)).strip()
        block = []


def is_furniture(block):
    """Headings, tables, verses, lists and illustrations."""
    text = " ".join(block)
    letters = [c for c in text if c.isalpha()]
    if not letters or sum(c.isupper() for c in letters) > len(letters) * 0.4:
        return True
    if any(mark in text for mark in ("[Illustration", "|", "+--", "=", "...........")):
        return True
    if sum(line.startswith("  ") or "\t" in line for line in block) > len(block) / 2:
        return True
    return re.match(r"(CHAPTER|BOOK|PART|FIG|TABLE|_?References|_?Research|_?Questions|\[)", text)


def sentences(text):
    text = text.replace("''", '"').replace("`", "'")
    text = re.sub(r"\[[^\]]*\]|\([^)]*\)", " ", text)
    text = re.sub(r"[_#*]", "", text)
    text = re.sub(r"\s+([,;:.!?])", r"\1", text)
    text = re.sub(r"\s*--+\s*", " -- ", text)
    text = re.sub(r"\s+", " ", text).strip()
    start = 0
    for match in re.finditer(r"[.!?]+[\"']*(?=\s+[\"']*[A-Z]|$)", text):
        word = re.search(r"([A-Za-z]+)$", text[start:match.start()])
        if text[match.start()] == "." and word and match.end() < len(text):
            if word.group(1) in ABBREVIATIONS or re.fullmatch(r"[A-HJ-Z]", word.group(1)):
                continue
        yield text[start:match.end()].strip()
        start = match.end()


def readable(sentence):
    """The sentence as the model shall see it, or nothing."""
    inside = sentence.strip("\"'")
    if '"' in sentence:
        # Words and the teller's remark between them are no one sentence without their marks.
        if '"' in inside and re.search(r'[,!?]"', sentence):
            return None
        sentence = sentence.replace('"', "")
    if re.search(r"(?<![A-Za-z])'|'(?![A-Za-z])", sentence):
        return None
    sentence = re.sub(r"\s+([,;:.!?])", r"\1", re.sub(r"\s+", " ", sentence)).strip()
    # A remark between dashes, or cut off by one, is no sentence for so short a memory; nor are marks
    # that stand alone or together, or on which a letter follows.
    if re.search(r"(?<![A-Za-z])-|-(?![A-Za-z])|[,;:][,;:.!?]|(^|\s)[,;:.!?]|[,;:.!?][A-Za-z]", sentence):
        return None
    if not re.fullmatch(r"[A-Z][A-Za-z' ,;:.!?-]*[.!?]", sentence):
        return None
    if re.search(r"\.\.|[!?].*[!?.]$", sentence):
        return None
    # Titles and initials aside, a full stop ends the sentence.
    if re.search(r"\. ", re.sub(r"\b(Mrs?|Dr|St|[A-Z])\. ", " ", sentence)):
        return None
    words = re.findall(r"[A-Za-z'-]+", sentence)
    if any(len(word) > 1 and word.isupper() for word in words):
        return None
    return sentence if 3 <= len(words) <= 40 else None


def main():
    path, *names = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")
    for name in names or BOOKS:
        begin, end = BOOKS[name]
        first = next(i for i, line in enumerate(lines) if begin in line) + 1
        last = next(i for i in range(first, len(lines)) if end in lines[i])
        for paragraph in paragraphs(lines[first:last]):
            for sentence in sentences(paragraph):
                kept = readable(sentence)
                if kept:
                    print(kept)


main()
