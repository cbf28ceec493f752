// Licensed under the Apache License, Version 2.0.

import Foundation
import Testing

@testable import Neural

@Suite struct JSONValueTests {
  @Test func readsValues() throws {
    let value = try JSONValue(
      parsing:
        #" {"a": [1, -2.5, 1e3, true, null], "b": {"c": "x\n\u00e4\ud83d\ude00\/"}, "a": 2} "#)
    #expect(
      value["a"]?.array == [.integer(1), .number(-2.5), .number(1000), .boolean(true), .null])
    #expect(value["b"]?["c"]?.string == "x\nä😀/")
    #expect(value["a"]?.array?[2].integer == 1000)
    #expect(value.object?.members.map(\.name) == ["a", "b", "a"])
    #expect(value["absent"] == nil)
    #expect(try JSONValue(parsing: "[]") == .array([]))
    #expect(try JSONValue(parsing: "{}").object?.members.isEmpty == true)
    #expect(try JSONValue(parsing: "\u{feff}1") == .integer(1))
    #expect(try JSONValue(parsing: "18446744073709551616").number == 18_446_744_073_709_551_616)
    #expect(try JSONValue(parsing: "-Infinity").number == -.infinity)
  }

  @Test(arguments: [
    ("", "byte 0: the JSON is wrong (found the end of the file, expected a value)"),
    ("[1 2]", "byte 3: the JSON is wrong (found '2', expected ',' or ']')"),
    ("[1,]", "byte 3: the JSON is wrong (found ']', expected a value)"),
    ("{\"a\" 1}", "byte 5: the JSON is wrong (found '1', expected ':')"),
    ("{a: 1}", "byte 1: the JSON is wrong (found 'a', expected a name in quotes)"),
    ("tru", "byte 3: the JSON is wrong (found the end of the file, expected 'true')"),
    ("1 1", "byte 2: the JSON is wrong (found '1', expected the end of the JSON)"),
    ("-", "byte 0: the JSON has a bad number (found '-')"),
    (
      "\"a",
      "byte 2: the JSON is wrong (found the end of the file, expected the closing quote of "
        + "the string at byte 0)"
    ),
    ("\"\\ud800\"", "byte 1: the JSON has half of a surrogate pair"),
    ("\"\\ud800\\u0041\"", "byte 1: the JSON has half of a surrogate pair"),
    (
      "\"\\x\"",
      "byte 2: the JSON is wrong (found 'x', expected one of \" \\ / b f n r t u behind a "
        + "backslash)"
    ),
    ("\"\\u00g0\"", "byte 5: the JSON is wrong (found 'g', expected a hexadecimal digit)"),
    (
      "\"\u{1}\"",
      "byte 1: the JSON is wrong (found the byte 1, expected an escape for a control "
        + "character)"
    ),
  ]) func wrongTextsAreNamed(_ text: String, _ expected: String) {
    #expect(message { _ = try JSONValue(parsing: text) } == expected)
  }

  @Test func invalidUTF8IsRefused() {
    let bytes: [UInt8] = [0x22, 0xff, 0x22]
    let text = message {
      _ = try unsafe bytes.withUnsafeBytes { try unsafe JSONValue(parsing: $0) }
    }
    #expect(text == "byte 0: the JSON has a string that is not UTF-8")
  }

  @Test(arguments: ["[", "{\"a\":"]) func deepNestingIsRefused(_ open: String) {
    let text = String(repeating: open, count: 100_000)
    #expect(message { _ = try JSONValue(parsing: text) }.contains("the JSON is nested too deeply"))
  }

  @Test func hugeFilesAreRefused() throws {
    let folder = try TestFolder()
    let path = try folder.write("config.json", "{")
    // Takes no room on disk.
    try #require(FileHandle(forWritingAtPath: path)).truncate(atOffset: 100 << 20)
    #expect(
      message { _ = try NetworkFile.open(folder.path) }
        == "config.json: the file is too large for JSON of this kind (found 104857600 bytes, "
        + "expected at most 8388608)")
  }
}
