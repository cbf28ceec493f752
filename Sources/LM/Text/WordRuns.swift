// Licensed under the Apache License, Version 2.0.

internal import Foundation
internal import Sampling

/// The runs of words in a text, for statements that forbid repeating them.
public enum WordRuns {
  /// The largest corpus in bytes.
  ///
  /// The statement's automaton holds every run, and is refused beyond some thousand words.
  public static let largestFile = 1 << 20

  /// The words of a text as `length` counts them, without their outer punctuation.
  public static func words(of text: String) -> [String] {
    var words: [String] = []
    for run in text.unicodeScalars.split(whereSeparator: { ScalarKind($0) == .space }) {
      guard run.contains(where: { ScalarKind($0) == .spaceless }) else {
        words.append(core(Array(run)))
        continue
      }
      var fragment: [Unicode.Scalar] = []
      func close() {
        if fragment.contains(where: { ScalarKind($0) == .letter }) { words.append(core(fragment)) }
        fragment = []
      }
      for scalar in run {
        if ScalarKind(scalar) == .spaceless {
          close()
          words.append(String(Character(scalar)))
        } else {
          fragment.append(scalar)
        }
      }
      close()
    }
    return words
  }

  /// A word without its outer punctuation; a word of punctuation alone stays as it is.
  private static func core(_ word: [Unicode.Scalar]) -> String {
    func isLetter(_ scalar: Unicode.Scalar) -> Bool { ScalarKind(scalar) == .letter }
    var core = word[...]
    if let first = word.firstIndex(where: isLetter), let last = word.lastIndex(where: isLetter) {
      core = word[first...last]
    }
    return String(String.UnicodeScalarView(core))
  }

  /// All different runs of a number of words in a text; line breaks count as white space.
  public static func runs(of count: Int, in text: String) -> Set<[String]> {
    let words = words(of: text)
    guard words.count >= count else { return [] }
    return Set((0...words.count - count).map { Array(words[$0..<$0 + count]) })
  }

  /// Reads a corpus and converts it to NFC.
  ///
  /// - Throws: `LoadError` if it cannot be read, is too large or is not UTF-8.
  static func corpus(_ path: String) throws(LoadError) -> String {
    var isFolder: ObjCBool = false
    guard unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw LoadError(.cannotRead, path: path, "cannot be read: No such file or directory")
    }
    guard !isFolder.boolValue else {
      throw LoadError(.cannotRead, path: path, "is a folder, where a file is expected")
    }
    guard let handle = FileHandle(forReadingAtPath: path) else {
      throw LoadError(.cannotRead, path: path, "cannot be read")
    }
    defer { try? handle.close() }
    let data = (try? handle.read(upToCount: largestFile + 1)) ?? Data()
    guard data.count <= largestFile else {
      throw LoadError(
        .badData, path: path,
        "has more than \(largestFile) bytes, which is too large for 'novel'. Take a part of it")
    }
    guard let text = String(data: data, encoding: .utf8) else {
      throw LoadError(.badData, path: path, "is no UTF-8. Convert it to UTF-8")
    }
    return NFC.of(
      text.unicodeScalars.first == "\u{FEFF}" ? String(text.unicodeScalars.dropFirst()) : text)
  }

  /// Resolves a path in a constraint file relative to that file.
  static func resolved(_ path: String, from file: String) -> String {
    if path.hasPrefix("/") { return path }
    let current = FileManager.default.currentDirectoryPath
    let folder = file.lastIndex(of: "/").map { String(file[...$0]) } ?? ""
    return folder.hasPrefix("/") ? folder + path : current + "/" + folder + path
  }
}
