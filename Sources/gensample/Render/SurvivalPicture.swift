// Licensed under the Apache License, Version 2.0.

import Foundation
import Runs

/// An SVG chart of the share of unfinished texts by the number of tokens.
struct SurvivalPicture {
  let survival: [Double]
  let neverEnds: Double

  init(_ survival: [Double], neverEnds: Double) {
    self.survival = survival
    self.neverEnds = neverEnds
  }

  var svg: String {
    let (left, top, width, height) = (56.0, 20.0, 560.0, 300.0)
    let last = max(1, survival.count - 1)
    func x(_ step: Int) -> Double { left + width * Double(step) / Double(last) }
    func y(_ share: Double) -> Double { top + height * (1 - share) }
    func number(_ value: Double) -> String { String(format: "%.1f", value) }
    // More points than pixels would not show.
    let stride = max(1, last / 1_000)
    var steps = Array(Swift.stride(from: 0, through: last, by: stride))
    if steps.last != last { steps.append(last) }
    let points = steps.map { "\(number(x($0))),\(number(y(survival[$0])))" }
    var lines = [
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 380\" "
        + "font-family=\"sans-serif\" font-size=\"12\">",
      "<title>Share of unfinished texts by length</title>",
      "<rect width=\"640\" height=\"380\" fill=\"white\"/>",
    ]
    for share in [0, 0.25, 0.5, 0.75, 1] {
      lines.append(
        "<line x1=\"\(number(left))\" x2=\"\(number(left + width))\" y1=\"\(number(y(share)))\" "
          + "y2=\"\(number(y(share)))\" stroke=\"#ddd\"/>")
      lines.append(
        "<text x=\"\(number(left - 8))\" y=\"\(number(y(share) + 4))\" text-anchor=\"end\">"
          + "\(String(format: "%.2f", share))</text>")
    }
    for part in 0...4 {
      let step = last * part / 4
      lines.append(
        "<text x=\"\(number(x(step)))\" y=\"\(number(top + height + 18))\" "
          + "text-anchor=\"middle\">\(step)</text>")
    }
    if neverEnds > 0 {
      lines.append(
        "<line x1=\"\(number(left))\" x2=\"\(number(left + width))\" "
          + "y1=\"\(number(y(neverEnds)))\" y2=\"\(number(y(neverEnds)))\" stroke=\"#b22\" "
          + "stroke-dasharray=\"6 4\"/>")
      lines.append(
        "<text x=\"\(number(left + width - 4))\" y=\"\(number(y(neverEnds) - 6))\" "
          + "text-anchor=\"end\" fill=\"#b22\">never ends: \(String(format: "%.4f", neverEnds))"
          + "</text>")
    }
    lines.append(
      "<polyline fill=\"none\" stroke=\"#246\" stroke-width=\"2\" points=\""
        + points.joined(separator: " ") + "\"/>")
    lines.append(
      "<text x=\"\(number(left + width / 2))\" y=\"368\" text-anchor=\"middle\">tokens</text>")
    lines.append(
      "<text transform=\"translate(14 \(number(top + height / 2))) rotate(-90)\" "
        + "text-anchor=\"middle\">share unfinished</text>")
    lines.append("</svg>")
    return lines.joined(separator: "\n")
  }
}
