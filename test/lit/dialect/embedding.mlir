// RUN: noema opt %s --split-input-file --verify-diagnostics
// RUN: not noema opt %s --split-input-file 2>/dev/null | FileCheck %s

// CHECK-LABEL: func.func @forms(
// CHECK-NEXT: "sem.embedding"(%{{.*}}, %{{.*}}) : (tensor<100x8xf32>, tensor<?x?xi64>) -> tensor<?x?x8xf32>
// CHECK-NEXT: "sem.embedding"(%{{.*}}, %{{.*}}) : (tensor<100x8xf32>, tensor<i32>) -> tensor<8xf32>
func.func @forms(%t: tensor<100x8xf32>, %i: tensor<?x?xi64>, %j: tensor<i32>) {
  %0 = "sem.embedding"(%t, %i) : (tensor<100x8xf32>, tensor<?x?xi64>) -> tensor<?x?x8xf32>
  %1 = "sem.embedding"(%t, %j) : (tensor<100x8xf32>, tensor<i32>) -> tensor<8xf32>
  return
}

// -----

func.func @table(%t: tensor<8xf32>, %i: tensor<5xi64>) {
  // expected-error@+1 {{takes a table of rank 2, not (8,)}}
  %0 = "sem.embedding"(%t, %i) : (tensor<8xf32>, tensor<5xi64>) -> tensor<5x8xf32>
  return
}

// -----

func.func @ids(%t: tensor<10x8xf32>, %i: tensor<5xf32>) {
  // expected-error@+1 {{takes ids of i32 or i64, not f32}}
  %0 = "sem.embedding"(%t, %i) : (tensor<10x8xf32>, tensor<5xf32>) -> tensor<5x8xf32>
  return
}

// -----

func.func @elements(%t: tensor<10x8xf16>, %i: tensor<5xi64>) {
  // expected-error@+1 {{has a table and a result of different element types}}
  %0 = "sem.embedding"(%t, %i) : (tensor<10x8xf16>, tensor<5xi64>) -> tensor<5x8xf32>
  return
}

// -----

func.func @result(%t: tensor<10x8xf32>, %i: tensor<5xi64>) {
  // expected-error@+1 {{result shape is (5, 9), expected (5, 8)}}
  %0 = "sem.embedding"(%t, %i) : (tensor<10x8xf32>, tensor<5xi64>) -> tensor<5x9xf32>
  return
}
