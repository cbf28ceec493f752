// Licensed under the Apache License, Version 2.0.

internal import Sampling

extension NGramTrie {
  /// Writes an ARPA file, compressed with `gzip` if the path ends in `.gz`.
  ///
  /// Numbers are the shortest decimals that read back as the same `Float`. Data that ARPA has no
  /// field for goes into comments before the header, which other tools skip.
  ///
  /// - Throws: `LoadError` if the file cannot be written; no partial file is left.
  public func write(arpa path: String) throws(LoadError) {
    let output = try FileOutput(path: path)
    let isEscaped = vocabulary.spacing != .joined
    switch vocabulary.spacing {
    case .joined: break
    case .carried: try output.write("# gensample spacing=carried\n")
    case .none: try output.write("# gensample spacing=none\n")
    }
    for (key, value) in description {
      let line = value.split(whereSeparator: \.isNewline).joined(separator: " ")
      try output.write("# gensample \(key)=\(line)\n")
    }
    try output.write("\\data\\\n")
    for (i, level) in levels.enumerated() { try output.write("ngram \(i + 1)=\(level.count)\n") }
    let spellings = (0..<vocabulary.count).map { index in
      let bytes = vocabulary.bytes(of: Token(index))
      return isEscaped ? ARPASpelling.escaped(bytes) : Array(bytes)
    }
    var line: [UInt8] = []
    for order in 1...levels.count {
      try output.write("\n\\\(order)-grams:\n")
      let level = levels[order - 1]
      // The n-gram's prefixes of all lengths: the last child range that has begun.
      var path = [Int](repeating: 0, count: order)
      for i in 0..<level.count {
        path[order - 1] = i
        var depth = order - 1
        while depth > 0 {
          while Int(levels[depth - 1].firstChildren[path[depth - 1] + 1]) <= path[depth] {
            path[depth - 1] += 1
          }
          depth -= 1
        }
        line.removeAll(keepingCapacity: true)
        line.append(contentsOf: "\(level.logProbabilities[i])".utf8)
        for depth in 0..<order {
          line.append(depth == 0 ? 0x09 : 0x20)
          line.append(contentsOf: spellings[Int(levels[depth].words[path[depth]])])
        }
        // An n-gram that ends in the end symbol begins no other, so it has no weight to write.
        if order < levels.count, level.words[i] != vocabulary.end.rawValue || level.backoffs[i] != 0
        {
          line.append(0x09)
          line.append(contentsOf: "\(level.backoffs[i])".utf8)
        }
        line.append(0x0A)
        try output.write(line)
      }
    }
    try output.write("\n\\end\\\n")
    try output.finish()
  }
}
