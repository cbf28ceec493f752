// Licensed under the Apache License, Version 2.0.

import Foundation
import LM
import Runs

enum Models: Command {
  static let name = "models"
  static let summary = "list the built-in models, or show a model's card"
  static let usage = "[NAME]"
  static let discussion = """
    Lists the models that need no file. With NAME, prints the card of that model: its sources, how
    it was made, and its perplexity on text that it was not trained on.
    """
  static let options = OutputOptions.report

  static func run(_ arguments: Arguments) throws {
    guard arguments.positional.count <= 1 else {
      throw CommandFailure.usage("models takes at most one name")
    }
    let stream = try ResultStream(path: nil)
    let format = try OutputOptions.format(arguments)
    if let name = arguments.positional.first {
      guard let model = BuiltInModel(rawValue: name) else {
        throw CommandFailure.usage(
          "there is no built-in model '\(name)'; choose "
            + BuiltInModel.names)
      }
      if format == .jsonl {
        try stream.writeLine(object(model).text)
      } else {
        try stream.writeLine(model.card)
      }
    } else {
      for model in BuiltInModel.allCases {
        switch format {
        case .jsonl: try stream.writeLine(object(model).text)
        case .text:
          try stream.writeLine(
            model.rawValue.padding(toLength: 15, withPad: " ", startingAt: 0) + model.summary)
        }
      }
    }
    try stream.finish()
  }

  private static func object(_ model: BuiltInModel) -> JSONObject {
    var object = JSONObject()
    object.add("type", .string("model"))
    object.add("name", .string(model.rawValue))
    object.add("summary", .string(model.summary))
    object.add("card", .string(model.card))
    return object
  }
}
