// Licensed under the Apache License, Version 2.0.

import Foundation
import Runs
import Testing

@testable import gensample

/// What the program says of itself, and of words that it does not understand.
@Suite struct UsageGoldenTests {
  @Test(arguments: [[], ["help"], ["--help"], ["-h"]])
  func overviewListsEveryCommand(arguments: [String]) throws {
    let outcome = try Program.run(arguments)
    #expect(outcome.code == 0)
    #expect(outcome.errors == "")
    for command in Gensample.commands {
      #expect(outcome.lines.contains { $0.hasPrefix("  \(command.name) ") }, "\(command.name)")
    }
  }

  @Test(arguments: Gensample.commands.map { $0.name })
  func helpListsEveryOption(name: String) throws {
    let command = try #require(Gensample.commands.first { $0.name == name })
    let asked = try Program.run(["help", name])
    let flag = try Program.run([name, "--help"])
    #expect(asked.code == 0 && flag.code == 0)
    #expect(asked.output == flag.output)
    #expect(asked.output.hasPrefix("usage: gensample \(name) "))
    for option in command.options + [Option(flag: "help", "")] {
      #expect(
        asked.lines.contains { $0.hasPrefix("  --\(option.name)") }, "--\(option.name)")
    }
    #expect(asked.lines.allSatisfy { $0.count <= 100 })
  }

  @Test(arguments: [["--version"], ["mh", "--version"], ["train", "x", "--version"]])
  func versionEverywhere(arguments: [String]) throws {
    let outcome = try Program.run(arguments)
    #expect(outcome.code == 0)
    #expect(outcome.output == "gensample \(programVersion)\n")
  }

  @Test(
    arguments: [
      (["mhh"], "there is no command 'mhh', did you mean 'mh'? (see 'gensample --help')"),
      (["trian"], "there is no command 'trian', did you mean 'train'? (see 'gensample --help')"),
      (["frobnicate"], "there is no command 'frobnicate' (see 'gensample --help')"),
      (
        ["help", "scor"],
        "there is no command 'scor', did you mean 'score'? (see 'gensample --help')"
      ),
      (
        ["mh", "--lenght", "3"],
        "'mh' has no option --lenght, did you mean --length? (see 'gensample mh --help')"
      ),
      (
        ["mh", "--frobnicate"],
        "'mh' has no option --frobnicate (see 'gensample mh --help')"
      ),
      (["mh", "-x"], "unknown option -x; see 'gensample mh --help'"),
      (["mh", "--length"], "--length needs a value: --length A..B"),
      (
        ["mh", "--include", "--unique"],
        "--include needs a value, got the option --unique; if you mean this value, write "
          + "--include=--unique"
      ),
      (["mh", "--length", "2", "--length", "3"], "--length was given twice; it takes one A..B"),
      (["mh", "--unique=yes"], "--unique takes no value"),
      (
        ["mh", "sea.txt"],
        "mh takes only options, got 'sea.txt'; to name a constraint file, use "
          + "--constraints 'sea.txt'"
      ),
      (
        ["mh", "--samples", "3", "--steps", "9"],
        "--samples says how many results there are, --steps how long; give one of them"
      ),
      (
        ["mh", "--samples", "many"],
        "--samples takes a whole number from 0 to 1000000000, got 'many'"
      ),
      (["mh", "--thin", "0"], "--thin takes a whole number from 1 to 1099511627776, got '0'"),
      (["mh", "--seed", "-1"], "--seed takes a whole number from 0 to 2^64 - 1, got '-1'"),
      (["mh", "--format", "json"], "--format takes one of text, jsonl, got 'json'"),
      (
        ["mh", "--chain-range", "2..4"],
        "--chain-range takes two of the plan's chains such as 0..3, got '2..4'"
      ),
      (["mh", "--length", "2..1"], "--length 2..1: its lower bound is above its upper bound"),
      (["mh", "--length", ".."], "--length ..: '..' alone bounds nothing"),
      (["mh", "--length", "few"], "--length few: bounds are whole numbers up to 1000000"),
      (["mh", "--include", ""], "--include is given an empty text, expected a word"),
      (["mh", "--match", "a(b"], "--match 'a(b': at character 2 found '(' without its ')'"),
      (
        ["mh", "--match", #"(a)\1"#],
        #"--match '(a)\1': at character 4 found the back-reference '\1', which is not supported: "#
          + "expressions are compiled to automata"
      ),
      (["mh", "--constraints", "-", "--each", "-"], "standard input can be read only once"),
      (
        ["sample", "It"],
        "sample takes only options, got 'It'; to give the beginning of the texts, use --prompt 'It'"
      ),
      (
        ["sample", "--temperature", "-1"], "--temperature: a temperature is 0 or more, got -1.0"
      ),
      (["sample", "--top-k", "-1"], "--top-k: at least 1 token is kept, got -1"),
      (["sample", "--top-p", "nan"], "--top-p: a mass lies in 0 ... 1, got nan"),
      (["sample", "--top-p", "-0.1"], "--top-p: a mass lies in 0 ... 1, got -0.1"),
      (["sample", "--min-p", "2"], "--min-p: a share lies in 0 ... 1, got 2.0"),
      (["sample", "--typical", "0"], "--typical: a mass is positive and at most 1, got 0.0"),
      (["sample", "--epsilon", "1"], "--epsilon: a floor lies in 0 ..< 1, got 1.0"),
      (["sample", "--eta", "nan"], "--eta: epsilon lies in 0 ..< 1, got nan"),
      (
        ["sample", "--top-h", "2"],
        "--top-h: a share of the entropy is positive and at most 1, got 2.0"
      ),
      (
        ["sample", "--top-n-sigma", "nan"],
        "--top-n-sigma: a number of deviations is 0 or more, got nan"
      ),
      (["sample", "--tail-free", "2"], "--tail-free: the bound lies in 0 ... 1, got 2.0"),
      (["sample", "--mirostat", "0,1"], "--mirostat: tau is positive and finite, got 0.0"),
      (["sample", "--sparse", "0"], "--sparse: at least 1 token is kept, got 0"),
      (
        ["sample", "--repetition-penalty", "0"],
        "--repetition-penalty: a penalty is positive and finite, got 0.0"
      ),
      (
        ["sample", "--frequency-penalty", "inf"],
        "--frequency-penalty: a penalty is finite, got inf"
      ),
      (
        ["sample", "--bias", "sea=nan"],
        "--bias takes TEXT=X with a finite X, such as sea=1.5, got 'sea=nan'; --forbid removes"
      ),
      (
        ["sample", "--bias", "sea=inf"],
        "--bias takes TEXT=X with a finite X, such as sea=1.5, got 'sea=inf'; --forbid removes"
      ),
      (
        ["sample", "--self-terminating", "1"],
        "--self-terminating: epsilon lies in 0 ..< 1, got 1.0"
      ),
      (
        ["greedy", "--progress", "soon"], "--progress takes one of auto, always, never, got 'soon'"
      ),
      (["sample", "--top-k", "0"], "--top-k: at least 1 token is kept, got 0"),
      (["sample", "--top-p", "1.5"], "--top-p: a mass lies in 0 ... 1, got 1.5"),
      (["sample", "--temperature", "nan"], "--temperature: a temperature is 0 or more, got nan"),
      (
        ["sample", "--min-tokens", "20", "--max-tokens", "10"],
        "--min-tokens 20 leaves no room for the end within --max-tokens 10"
      ),
      (["sample", "--top-k", "many"], "--top-k takes a whole number, got 'many'"),
      (["sample", "--xtc", "0.5"], "--xtc takes 2 numbers P,T, got '0.5'"),
      (
        ["sample", "--bias", "sea"],
        "--bias takes TEXT=X with a finite X, such as sea=1.5, got 'sea'; --forbid removes"
      ),
      (["greedy", "--forbid", ""], "--forbid was given an empty text, expected words"),
      (
        ["greedy", "--top-k", "3"],
        "'greedy' has no option --top-k (see 'gensample greedy --help')"
      ),
      (
        ["beam", "It"],
        "beam takes only options, got 'It'; to give the beginning of the texts, use --prompt 'It'"
      ),
      (["beam", "--diversity", "1"], "--diversity needs --groups N"),
      (["beam", "--patience", "0"], "--patience: a factor is positive and finite, got 0.0"),
      (["greedy", "--stop", ""], "--stop: a stop text has at least 1 character, got none"),
      (
        ["greedy", "--penalty-decay", "3"],
        "--penalty-decay needs --repetition-penalty, --frequency-penalty or "
          + "--presence-penalty"
      ),
      (["diagnose"], "diagnose needs a run: gensample diagnose RUN... [options]"),
      (["audit", "--width", "3"], "--width needs --strategy beam"),
      (["audit", "--strategy", "greedy", "--top-k", "3"], "--top-k needs --strategy sample"),
      (["check"], "check needs a constraint file: gensample check FILE [TEXT...] [options]"),
      (["check", "-", "-"], "standard input can be read only once"),
      (["train", "x"], "train needs -o MODEL, the file to write"),
      (["train", "-o", "x.gsm"], "train needs a text: gensample train TEXT... -o MODEL [options]"),
      (
        ["train", "x", "-o", "model.bin"],
        "'model.bin' has no known suffix; use .gsm, .arpa or .arpa.gz"
      ),
      (
        ["train", "x", "-o", "m.arpa", "--quantize", "8"],
        "--layout and --quantize need a .gsm file; ARPA files hold plain numbers"
      ),
      (
        ["train", "x", "-o", "m.gsm", "--prune", "0,x"],
        "--prune takes numbers such as 0,0,1, got '0,x'"
      ),
      (
        ["train", "x", "-o", "m.gsm", "--memory", "big"],
        "--memory takes a size such as 200M or 1G, got 'big'"
      ),
      (
        ["train", "x", "-o", "m.gsm", "--order", "9"],
        "--order takes a whole number from 1 to 8, got '9'"
      ),
      (["convert", "x.gsm"], "convert takes two files: gensample convert IN OUT [options]"),
      (
        ["score", "english"],
        "score needs a model and a text: gensample score MODEL TEXT... [options]"
      ),
      (["inspect"], "inspect needs a file: gensample inspect FILE... [options]"),
      (
        ["models", "tong"],
        "there is no built-in model 'tong'; choose english, tang, english-llama or tang-gpt"
      ),
    ] as [([String], String)])
  func wrongUsageIsNamed(arguments: [String], message: String) throws {
    let outcome = try Program.run(arguments)
    #expect(outcome.errors == "gensample: \(message)\n")
    #expect(outcome.code == 64)
    #expect(outcome.output == "")
  }

  @Test(arguments: [#""$@" 2>&-"#, #""$@" 2>/dev/full"#])
  func standardErrorThatTakesNothingIsNoTrap(shell: String) throws {
    #expect(try Program.run(["nonsense"], shell: shell).code == 64)
  }

  @Test func fullStandardOutputIsSaid() throws {
    let outcome = try Program.run(["--help"], shell: #""$@" >/dev/full"#)
    #expect(outcome.code == 73)
    #expect(
      outcome.errors == "gensample: cannot write standard output: No space left on device\n")
  }
}
