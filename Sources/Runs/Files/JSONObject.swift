// Licensed under the Apache License, Version 2.0.

/// A JSON object on one line; fields keep the order in which they are added.
package struct JSONObject {
  private var fields: [String] = []

  /// The value of a field.
  package enum Value {
    case string(String)
    case integer(Int)
    case unsigned(UInt64)
    case number(Double)
    case boolean(Bool)
    case integers([Int])
    case strings([String])
    case numbers([Double])
    case object(JSONObject)
    case objects([JSONObject])
    case values([Value])
    case null
  }

  package init() {}

  package mutating func add(_ name: String, _ value: Value) {
    fields.append("\(JSONObject.quoted(name)):\(JSONObject.text(of: value))")
  }

  /// The object as JSON, without a line feed.
  package var text: String { "{" + fields.joined(separator: ",") + "}" }

  /// A value as JSON.
  package static func text(of value: Value) -> String {
    switch value {
    case .string(let string): quoted(string)
    case .integer(let integer): String(integer)
    case .unsigned(let integer): String(integer)
    // JSON has no infinities. The shortest decimal form reads back as the same number. Zero has no
    // sign.
    case .number(let number): number.isFinite ? (number == 0 ? "0.0" : "\(number)") : "null"
    case .boolean(let boolean): boolean ? "true" : "false"
    case .integers(let integers): "[" + integers.map(String.init).joined(separator: ",") + "]"
    case .strings(let strings): "[" + strings.map(quoted).joined(separator: ",") + "]"
    case .numbers(let numbers):
      "[" + numbers.map { text(of: .number($0)) }.joined(separator: ",") + "]"
    case .object(let object): object.text
    case .objects(let objects): "[" + objects.map(\.text).joined(separator: ",") + "]"
    case .values(let values): "[" + values.map(text).joined(separator: ",") + "]"
    case .null: "null"
    }
  }

  /// A string as JSON, with quotes and escapes.
  package static func quoted(_ string: String) -> String {
    var out = "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\r": out += "\\r"
      case "\t": out += "\\t"
      case _ where scalar.value < 0x20:
        let hex = String(scalar.value, radix: 16)
        out += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out + "\""
  }
}
