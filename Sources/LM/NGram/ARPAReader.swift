// Licensed under the Apache License, Version 2.0.

internal import Sampling

extension NGramTrie {
  /// The highest order that a model may have.
  public static let highestOrder = 8

  /// Reads an ARPA file, plain or `.gz`.
  ///
  /// N-grams may stand in any order. Prefixes, suffixes, back-off weights and the unknown word may
  /// be missing. Texts of its words are joined by spaces, unless a comment of ``write(arpa:)`` or
  /// the caller says otherwise.
  ///
  /// - Parameters:
  ///   - path: the file; `-` is standard input.
  ///   - tokenization: how its words were made, if the file does not say so. Use
  ///     ``Tokenization/characters`` for a model that another program made from texts with a space
  ///     between characters; U+2581 and `<space>` are then the space itself.
  ///   - warn: called with a message about data that the model does not keep.
  /// - Throws: `LoadError` with the line, if the file is invalid or is not a model of characters.
  public init(
    arpa path: String, tokenization: Tokenization? = nil, warn: (String) -> Void = { _ in }
  ) throws {
    var parser = ARPAParser(path: path, tokenization: tokenization)
    try unsafe ByteStream(path: path).forEachLine { bytes, number in
      try unsafe parser.read(bytes, number)
    }
    self = try parser.finish()
    let unused = parser.unusedBackoffs
    if unused > 0 {
      warn(
        "\(path == "-" ? "standard input" : path): dropped the back-off weights of \(unused) n-gram"
          + "\(unused == 1 ? "" : "s") of the highest order, which no longer n-gram can use")
    }
  }
}

/// Reads an ARPA file line by line.
private struct ARPAParser {
  enum Section: Equatable {
    case header, counts, grams(Int), end
  }

  let path: String
  var line = 0
  var section = Section.header
  var counts: [Int] = []
  var spacing = Vocabulary.Spacing.joined
  var isEscaped = false
  var description: [(key: String, value: String)] = []

  // Order 1.
  var blob: [UInt8] = []
  var offsets: [UInt32] = [0]
  var vocabulary: Vocabulary?
  // For each order: words side by side, probabilities, back-off weights and lines.
  var words: [[UInt32]] = []
  var logProbabilities: [[Float]] = []
  var backoffs: [[Float]] = []
  var lines: [[UInt32]] = []

  /// How the words were made, according to the caller.
  let tokenization: Tokenization?
  /// For each order, the number of n-grams with a back-off weight other than 1.
  var weighted: [Int] = []

  init(path: String, tokenization: Tokenization?) {
    self.path = path
    self.tokenization = tokenization
    if tokenization == .characters {
      spacing = .none
      isEscaped = true
    }
  }

  /// The number of weights from which no n-gram backs off.
  var unusedBackoffs: Int {
    weighted.isEmpty ? 0 : weighted[(counts.lastIndex { $0 > 0 } ?? 0)...].reduce(0, +)
  }

  func error(_ reason: String) -> LoadError {
    LoadError(.badData, path: path, place: .line(line), reason)
  }

  mutating func read(_ bytes: UnsafeRawBufferPointer, _ number: Int) throws {
    line = number
    var start = 0
    var end = bytes.count
    while unsafe start < end && isBlank(bytes[start]) { start += 1 }
    while unsafe start < end && isBlank(bytes[end - 1]) { end -= 1 }
    let text = unsafe UnsafeRawBufferPointer(rebasing: bytes[start..<end])
    if unsafe text.isEmpty { return }
    if case .grams(let order) = section, unsafe text[0] != UInt8(ascii: "\\") {
      try unsafe readGram(text, order: order)
      return
    }
    let string = unsafe String(decoding: text, as: UTF8.self)
    switch section {
    case .header:
      if string == "\\data\\" {
        section = .counts
      } else if string.hasPrefix("# gensample ") {
        readComment(string.dropFirst(12))
      }
    case .counts where string.hasPrefix("ngram "):
      try readCount(string.dropFirst(6))
    case .counts:
      try open(string, after: 0)
    case .grams(let order):
      try close(order)
      try open(string, after: order)
    case .end:
      break
    }
  }

  private func isBlank(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x09 || byte == 0x0D
  }

  private mutating func readComment(_ text: Substring) {
    guard let equals = text.firstIndex(of: "=") else { return }
    let key = String(text[..<equals])
    let value = String(text[text.index(after: equals)...])
    if key == "spacing" {
      // If the file says how its words were made, that decides.
      isEscaped = true
      spacing = .joined
      switch value {
      case "carried": spacing = .carried
      case "none": spacing = .none
      default: isEscaped = false
      }
    } else if key != "tokens" || tokenization == nil {
      description.append((key, value))
    }
  }

  private mutating func readCount(_ text: Substring) throws {
    let parts = text.split(separator: "=", omittingEmptySubsequences: false)
    guard parts.count == 2, let order = Int(parts[0].filter { $0 != " " }),
      let count = Int(parts[1].filter { $0 != " " && $0 != "\t" }), count >= 0
    else {
      throw error("found 'ngram \(text)', expected a count such as 'ngram 1=5000'")
    }
    guard order == counts.count + 1 else {
      throw error("found the count of order \(order), expected that of order \(counts.count + 1)")
    }
    guard order <= NGramTrie.highestOrder else {
      throw error(
        "the model has order \(order) or more; orders up to \(NGramTrie.highestOrder) are supported"
      )
    }
    guard count < Int(UInt32.max) else {
      throw error("\(count) n-grams of one order are more than the \(UInt32.max) supported")
    }
    counts.append(count)
  }

  /// Opens a section by its title, or the end mark, after the section of the order below.
  private mutating func open(_ title: String, after order: Int) throws {
    if counts.isEmpty {
      throw error("found '\(shown(title))', expected the counts, such as 'ngram 1=5000'")
    }
    let expected = order < counts.count ? "\\\(order + 1)-grams:" : "\\end\\"
    guard title == expected else {
      throw error("found '\(shown(title))', expected '\(expected)'")
    }
    if order == counts.count {
      section = .end
      return
    }
    section = .grams(order + 1)
    words.append([])
    logProbabilities.append([])
    backoffs.append([])
    lines.append([])
    weighted.append(0)
  }

  private mutating func close(_ order: Int) throws {
    let found = logProbabilities[order - 1].count
    guard found == counts[order - 1] else {
      throw error(
        "order \(order) has \(found) n-grams, but the header says \(counts[order - 1]); "
          + "the file may be cut or edited")
    }
    if order == 1 { try makeVocabulary() }
  }

  private func shown(_ text: String) -> String {
    text.count > 60 ? "\(text.prefix(60))…" : text
  }

  private mutating func readGram(_ text: UnsafeRawBufferPointer, order: Int) throws {
    var place = 0
    func field() -> UnsafeRawBufferPointer? {
      while unsafe place < text.count && isBlank(text[place]) { place += 1 }
      guard place < text.count else { return nil }
      let start = place
      while unsafe place < text.count && !isBlank(text[place]) { place += 1 }
      return unsafe UnsafeRawBufferPointer(rebasing: text[start..<place])
    }
    guard logProbabilities[order - 1].count < counts[order - 1] else {
      throw error(
        "order \(order) has more n-grams than the \(counts[order - 1]) that the header says")
    }
    guard let first = unsafe field(), let logProbability = unsafe DecimalFloat.parse(first) else {
      let found = unsafe String(decoding: text.prefix(60), as: UTF8.self)
      throw error("found '\(found)', expected a log10 probability at the line's beginning")
    }
    guard logProbability <= 0, logProbability > -.infinity else {
      throw error(
        "the log10 probability \(logProbability) is not one: expected a finite number of at most 0")
    }
    for position in 0..<order {
      guard let word = unsafe field() else {
        throw error(
          "found \(position) word\(position == 1 ? "" : "s"), expected \(order) in an n-gram of "
            + "order \(order)")
      }
      if order == 1 {
        unsafe appendSpelling(word)
      } else {
        let token =
          isEscaped
          ? unsafe vocabulary?.token(spelled: unescapedBytes(word))
          : unsafe vocabulary?.token(spelled: word)
        guard let token else {
          let spelling = unsafe String(decoding: word, as: UTF8.self)
          throw error("the word '\(spelling)' is not among the 1-grams")
        }
        words[order - 1].append(token.rawValue)
      }
    }
    var backoff: Float = 0
    if let last = unsafe field() {
      guard let value = unsafe DecimalFloat.parse(last), value.isFinite else {
        let found = unsafe String(decoding: last, as: UTF8.self)
        throw error("found '\(found)' after \(order) words, expected a finite back-off weight")
      }
      backoff = value
      if value != 0 { weighted[order - 1] += 1 }
      if unsafe field() != nil {
        throw error("found more than \(order) words and a back-off weight")
      }
    }
    logProbabilities[order - 1].append(logProbability)
    if order < counts.count { backoffs[order - 1].append(backoff) }
    lines[order - 1].append(UInt32(truncatingIfNeeded: line))
  }

  private mutating func appendSpelling(_ word: UnsafeRawBufferPointer) {
    blob.append(contentsOf: unsafe unescapedBytes(word))
    offsets.append(UInt32(truncatingIfNeeded: blob.count))
  }

  private func unescapedBytes(_ word: UnsafeRawBufferPointer) -> [UInt8] {
    guard isEscaped else { return unsafe Array(word) }
    if tokenization == .characters, unsafe word.elementsEqual("<space>".utf8) { return [0x20] }
    return unsafe ARPASpelling.unescaped(word)
  }

  private mutating func makeVocabulary() throws {
    guard blob.count <= Int(UInt32.max) else {
      throw error("the words take more than the 4 GB that are supported")
    }
    func find(_ names: [String]) -> Token? {
      for i in 0..<offsets.count - 1 {
        let bytes = blob[Int(offsets[i])..<Int(offsets[i + 1])]
        if names.contains(where: { $0.utf8.elementsEqual(bytes) }) { return Token(i) }
      }
      return nil
    }
    guard let start = find(["<s>", "<S>"]) else {
      throw error("the 1-grams lack <s>, which begins every text")
    }
    guard let end = find(["</s>", "</S>"]) else {
      throw error("the 1-grams lack </s>, which ends every text")
    }
    let made = Vocabulary(
      blob: blob, offsets: offsets, spacing: spacing, start: start, end: end,
      unknown: find(["<unk>", "<UNK>"]))
    for i in 0..<made.count {
      if let first = made.token(spelled: made.bytes(of: Token(i))), first != Token(i) {
        line = Int(lines[0][i])
        throw error("the word '\(made.spelling(of: Token(i)))' is listed twice")
      }
    }
    vocabulary = made
    if let tokenization { try check(made, tokenization) }
  }

  /// Refuses words that contradict the tokenization the caller gave.
  private mutating func check(_ vocabulary: Vocabulary, _ tokenization: Tokenization) throws {
    let found = Tokenization(vocabulary.spacing)
    guard found == tokenization else {
      throw LoadError(
        .badArgument, path: path,
        "its words are made by --tokens \(found.rawValue), as the file says, and not by --tokens "
          + "\(tokenization.rawValue); leave the option out")
    }
    guard tokenization == .characters else { return }
    for index in 0..<vocabulary.count where vocabulary.isDrawable(Token(index)) {
      let spelling = vocabulary.spelling(of: Token(index))
      guard spelling.unicodeScalars.count != 1 else { continue }
      line = Int(lines[0][index])
      throw error(
        "found the word '\(spelling)', expected a single character: this is no model of characters; "
          + "leave --tokens characters out")
    }
  }

  mutating func finish() throws -> NGramTrie {
    guard section == .end, let vocabulary else {
      switch section {
      case .header:
        throw LoadError(
          .badData, path: path,
          "is no ARPA file: no line is '\\data\\'")
      case .grams(let order):
        throw error(
          "the file ends in the n-grams of order \(order) after "
            + "\(logProbabilities[order - 1].count) of \(counts[order - 1]), without '\\end\\'; "
            + "it is cut short")
      default:
        throw error("the file ends without '\\end\\'; it is cut short")
      }
    }
    var builder = NGramTrieBuilder(vocabulary: vocabulary)
    for order in 1...counts.count {
      if order > 1, counts[order - 1] == 0 {
        guard counts[order...].allSatisfy({ $0 == 0 }) else {
          throw LoadError(
            .badData, path: path,
            "order \(order) is empty, but a higher one is not: it would have no contexts")
        }
        break
      }
      builder.append(
        words: order == 1 ? Array(0..<UInt32(vocabulary.count)) : words[order - 1],
        logProbabilities: logProbabilities[order - 1],
        backoffs: order < counts.count ? backoffs[order - 1] : [])
    }
    do {
      return try builder.finish(description: description)
    } catch let duplicate as NGramTrieBuilder.Duplicate {
      line = Int(lines[duplicate.order - 1][duplicate.place])
      throw error("this n-gram is listed twice")
    } catch let excess as NGramTrieBuilder.Excess {
      throw LoadError(
        .badData, path: path,
        "the n-gram '\(excess.gram)', which a longer one needs, is not listed and backs off to a "
          + "log10 probability of \(excess.logProbability): the back-off weights are wrong")
    }
  }
}

/// The spelling of words with white space in ARPA files.
///
/// It is used only in files that announce it in a comment. A space is U+2581. A backslash stands before
/// U+2581 itself and before a backslash. Other white space is `\t`, `\n`, `\r`; an empty word is `\0`.
enum ARPASpelling {
  static let space: [UInt8] = [0xE2, 0x96, 0x81]

  static func escaped(_ bytes: some Collection<UInt8>) -> [UInt8] {
    if bytes.isEmpty { return Array("\\0".utf8) }
    var out: [UInt8] = []
    var rest = Array(bytes)[...]
    while let byte = rest.first {
      if rest.starts(with: space) {
        out += [0x5C] + space
        rest = rest.dropFirst(3)
        continue
      }
      switch byte {
      case 0x20: out += space
      case 0x5C: out += [0x5C, 0x5C]
      case 0x09: out += Array("\\t".utf8)
      case 0x0A: out += Array("\\n".utf8)
      case 0x0D: out += Array("\\r".utf8)
      default: out.append(byte)
      }
      rest = rest.dropFirst()
    }
    return out
  }

  static func unescaped(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
    var out: [UInt8] = []
    var rest = unsafe Array(bytes)[...]
    while let byte = rest.popFirst() {
      if byte == 0x5C, let next = rest.first {
        if rest.starts(with: space) {
          out += space
          rest = rest.dropFirst(3)
          continue
        }
        rest = rest.dropFirst()
        switch next {
        case UInt8(ascii: "t"): out.append(0x09)
        case UInt8(ascii: "n"): out.append(0x0A)
        case UInt8(ascii: "r"): out.append(0x0D)
        case UInt8(ascii: "0"): break
        default: out.append(next)
        }
      } else if byte == space[0], rest.starts(with: space.dropFirst()) {
        out.append(0x20)
        rest = rest.dropFirst(2)
      } else {
        out.append(byte)
      }
    }
    return out
  }
}
