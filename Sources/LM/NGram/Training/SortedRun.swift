// Licensed under the Apache License, Version 2.0.

/// Keys in ascending order, each with a value.
struct SortedRun<Key: PackedKey, Value: BitwiseCopyable & Sendable>: Sendable {
  let keys: Column<Key>
  let values: Column<Value>

  var count: Int { keys.count }

  init(keys: Column<Key>, values: Column<Value>) {
    self.keys = keys
    self.values = values
  }

  /// Sorts filled columns by the lowest bits of their keys; equal keys keep their order.
  ///
  /// - Complexity: O(count x bits / 11), and as much additional memory while it sorts.
  init(sorting keys: Column<Key>, _ values: Column<Value>, bits: Int, budget: MemoryBudget) {
    let count = keys.count
    var from = (keys: keys, values: values)
    var to = (
      keys: budget.scratch(of: Key.self, count), values: budget.scratch(of: Value.self, count)
    )
    let digitBits = 11
    let mask = UInt32(1) << UInt32(digitBits) &- 1
    var heads = [Int](repeating: 0, count: 1 << digitBits)
    for shift in stride(from: 0, to: count > 1 ? bits : 0, by: digitBits) {
      let isSorted = unsafe heads.withUnsafeMutableBufferPointer { heads in
        let (sourceKeys, sourceValues) = unsafe (from.keys.pointer, from.values.pointer)
        let (targetKeys, targetValues) = unsafe (to.keys.pointer, to.values.pointer)
        unsafe heads.update(repeating: 0)
        for i in 0..<count { unsafe heads[Int(sourceKeys[i].down(shift).low & mask)] &+= 1 }
        if unsafe heads[Int(sourceKeys[0].down(shift).low & mask)] == count { return true }
        var sum = 0
        for digit in 0...Int(mask) {
          let here = unsafe heads[digit]
          unsafe heads[digit] = sum
          sum += here
        }
        for i in 0..<count {
          let key = unsafe sourceKeys[i]
          let digit = Int(key.down(shift).low & mask)
          let place = unsafe heads[digit]
          unsafe targetKeys[place] = key
          unsafe targetValues[place] = sourceValues[i]
          unsafe heads[digit] = place &+ 1
        }
        return false
      }
      if !isSorted { swap(&from, &to) }
    }
    self.init(keys: from.keys, values: from.values)
  }

  /// The same run, moved to disk if memory is short.
  func settled(in budget: MemoryBudget) throws(LoadError) -> SortedRun {
    let keys = try budget.column(of: Key.self, count)
    let values = try budget.column(of: Value.self, count)
    for range in steps(count) {
      let first = range.lowerBound
      unsafe (keys.pointer + first).update(from: self.keys.pointer + first, count: range.count)
      unsafe (values.pointer + first).update(from: self.values.pointer + first, count: range.count)
      keys.release(range)
      values.release(range)
    }
    return SortedRun(keys: keys, values: values)
  }
}

/// Visits the entries of all runs in ascending order; equal keys come run by run.
func merge<Key: PackedKey, Value: BitwiseCopyable & Sendable>(
  _ runs: [SortedRun<Key, Value>], isCancelled: () -> Bool,
  _ emit: (Key, Value) throws(LoadError) -> Void
) throws(LoadError) {
  var places = [Int](repeating: 0, count: runs.count)
  var sinceCheck = 0
  /// Releases the memory of entries already read.
  func pause() throws(LoadError) {
    sinceCheck = 0
    if isCancelled() { throw LoadError(.cancelled, "stopped") }
    for (run, place) in zip(runs, places) {
      run.keys.release(max(0, place - (2 << 16))..<place)
      run.values.release(max(0, place - (2 << 16))..<place)
    }
  }
  // The last two runs need no heap.
  var heap = runs.indices.filter { runs[$0].count > 0 }
  func isBefore(_ a: Int, _ b: Int) -> Bool {
    let (left, right) = unsafe (runs[a].keys.pointer[places[a]], runs[b].keys.pointer[places[b]])
    return left < right || left == right && a < b
  }
  func sink(_ from: Int) {
    var i = from
    while true {
      var least = i
      for child in [2 * i + 1, 2 * i + 2] where child < heap.count {
        if isBefore(heap[child], heap[least]) { least = child }
      }
      if least == i { return }
      heap.swapAt(i, least)
      i = least
    }
  }
  for i in heap.indices.reversed() { sink(i) }
  while heap.count > 2 {
    let run = heap[0]
    let place = places[run]
    unsafe try emit(runs[run].keys.pointer[place], runs[run].values.pointer[place])
    places[run] = place + 1
    if place + 1 == runs[run].count {
      heap[0] = heap[heap.count - 1]
      heap.removeLast()
    }
    sink(0)
    sinceCheck += 1
    if sinceCheck == 1 << 16 { try pause() }
  }
  heap.sort()
  while heap.count == 2 {
    let (a, b) = (runs[heap[0]], runs[heap[1]])
    var (i, j) = (places[heap[0]], places[heap[1]])
    let stop = i + j + 1 << 16
    let (keysOfA, valuesOfA) = unsafe (a.keys.pointer, a.values.pointer)
    let (keysOfB, valuesOfB) = unsafe (b.keys.pointer, b.values.pointer)
    while i < a.count, j < b.count, i + j < stop {
      let (left, right) = unsafe (keysOfA[i], keysOfB[j])
      if right < left {
        unsafe try emit(right, valuesOfB[j])
        j += 1
      } else {
        unsafe try emit(left, valuesOfA[i])
        i += 1
      }
    }
    places[heap[0]] = i
    places[heap[1]] = j
    if i == a.count { heap.removeFirst() } else if j == b.count { heap.removeLast() }
    try pause()
  }
  while let run = heap.first {
    let first = places[run]
    let stop = min(runs[run].count, first + 1 << 16)
    let (keys, values) = unsafe (runs[run].keys.pointer, runs[run].values.pointer)
    for i in first..<stop { unsafe try emit(keys[i], values[i]) }
    places[run] = stop
    if stop == runs[run].count { heap = [] }
    try pause()
  }
}

/// Ranges that make up 0 ..< count, each small enough to be released before the next.
func steps(_ count: Int) -> some Sequence<Range<Int>> {
  stride(from: 0, to: count, by: 1 << 16).map { $0..<min(count, $0 + 1 << 16) }
}
