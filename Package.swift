// swift-tools-version: 6.3
import PackageDescription

let settings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
]

/// Scripts in `examples/`, each `examples/<name>.swift` an executable of that name.
let examples = [
  "sentences", "keywords", "poem", "kernel", "agreement", "annealing", "termination", "tour",
]

let package = Package(
  name: "gensample",
  platforms: [.macOS(.v15)],
  products: [
    .library(name: "Sampling", targets: ["Sampling"]),
    .library(name: "LM", targets: ["LM"]),
    .library(name: "Runs", targets: ["Runs"]),
    .library(name: "SamplingLaws", targets: ["SamplingLaws"]),
    .executable(name: "gensample", targets: ["gensample"]),
  ],
  targets: [
    .target(name: "CKernels", exclude: ["models"]),
    .target(name: "Sampling", dependencies: ["CKernels"], swiftSettings: settings),
    .target(name: "Neural", dependencies: ["CKernels"], swiftSettings: settings),
    .target(
      name: "LM", dependencies: ["Sampling", "Neural", "CKernels"], swiftSettings: settings),
    .target(name: "Runs", dependencies: ["Sampling", "LM"], swiftSettings: settings),
    .executableTarget(
      name: "gensample", dependencies: ["Sampling", "Neural", "LM", "Runs"],
      swiftSettings: settings),
    .target(
      name: "SamplingLaws", dependencies: ["Sampling"], path: "Tests/SamplingLaws",
      swiftSettings: settings),
    .testTarget(
      name: "SamplingTests", dependencies: ["Sampling", "SamplingLaws"], swiftSettings: settings),
    .testTarget(
      name: "LMTests", dependencies: ["Sampling", "LM", "SamplingLaws"], swiftSettings: settings),
    .testTarget(
      name: "NeuralTests", dependencies: ["Neural", "CKernels"], swiftSettings: settings),
    .testTarget(name: "ExampleTests", dependencies: ["LM"], swiftSettings: settings),
    .testTarget(
      name: "RunsTests", dependencies: ["Runs", "Sampling", "LM", "SamplingLaws"],
      swiftSettings: settings),
    .testTarget(
      name: "gensampleTests", dependencies: ["gensample", "Runs", "Sampling", "LM"],
      swiftSettings: settings),
  ]
    + examples.map { name in
      .executableTarget(
        name: name, dependencies: ["Sampling", "LM", "SamplingLaws"], path: "examples",
        exclude: ["constraints"] + examples.filter { $0 != name }.map { "\($0).swift" },
        sources: ["\(name).swift"], swiftSettings: settings)
    },
  swiftLanguageModes: [.v6]
)
