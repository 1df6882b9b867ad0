// RUN: noema opt %s --passes=recognize,cse,dce | FileCheck %s

// Patterns rotate-half and rotate-pairs. Their numeric tests are test/unit/passes/test_rope.py.

#one = array<i32: 1, 0, 0>
#two = array<i32: 1, 1, 0>
#in_1 = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
#in_2 = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
#in_4 = array<i32: 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
#out_1 = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
#out_2 = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>

// CHECK-LABEL: func.func @rotate_half(
// CHECK-NEXT: %[[Y:.*]] = "sem.rope"(%arg0, %arg1, %arg2) {interleaved = false, num_heads = 0 : i64, operandSegmentSizes = array<i32: 1, 1, 1, 0>, rotary_embedding_dim = 0 : i64}
// CHECK-NEXT: return %[[Y]]
func.func @rotate_half(%x: tensor<?x4x?x8xf32>, %c: tensor<?x1x?x8xf32>, %s: tensor<?x1x?x8xf32>) -> tensor<?x4x?x8xf32> {
  %zero = "sem.constant"() {value = dense<0> : tensor<1xi64>} : () -> tensor<1xi64>
  %four = "sem.constant"() {value = dense<4> : tensor<1xi64>} : () -> tensor<1xi64>
  %end = "sem.constant"() {value = dense<9223372036854775807> : tensor<1xi64>} : () -> tensor<1xi64>
  %last = "sem.constant"() {value = dense<3> : tensor<1xi64>} : () -> tensor<1xi64>
  %0 = "sem.elementwise"(%x, %c) {kind = "mul", operandSegmentSizes = #two} : (tensor<?x4x?x8xf32>, tensor<?x1x?x8xf32>) -> tensor<?x4x?x8xf32>
  %1 = "sem.onnx"(%x, %zero, %four, %last) {op_type = "Slice", domain = "", version = 18 : i64, attrs = {}, operandSegmentSizes = #in_4, resultSegmentSizes = #out_1} : (tensor<?x4x?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x4x?x4xf32>
  %2 = "sem.onnx"(%x, %four, %end, %last) {op_type = "Slice", domain = "", version = 18 : i64, attrs = {}, operandSegmentSizes = #in_4, resultSegmentSizes = #out_1} : (tensor<?x4x?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x4x?x4xf32>
  %3 = "sem.elementwise"(%2) {kind = "neg", operandSegmentSizes = #one} : (tensor<?x4x?x4xf32>) -> tensor<?x4x?x4xf32>
  %4 = "sem.onnx"(%3, %1) {op_type = "Concat", domain = "", version = 18 : i64, attrs = {axis = -1 : i64}, operandSegmentSizes = #in_2, resultSegmentSizes = #out_1} : (tensor<?x4x?x4xf32>, tensor<?x4x?x4xf32>) -> tensor<?x4x?x8xf32>
  %5 = "sem.elementwise"(%4, %s) {kind = "mul", operandSegmentSizes = #two} : (tensor<?x4x?x8xf32>, tensor<?x1x?x8xf32>) -> tensor<?x4x?x8xf32>
  %6 = "sem.elementwise"(%0, %5) {kind = "add", operandSegmentSizes = #two} : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
  return %6 : tensor<?x4x?x8xf32>
}

// The halves the other way round turn the other way.
// CHECK-LABEL: func.func @wrong_sign(
// CHECK-NOT: sem.rope
func.func @wrong_sign(%x: tensor<?x4x?x8xf32>, %c: tensor<?x1x?x8xf32>, %s: tensor<?x1x?x8xf32>) -> tensor<?x4x?x8xf32> {
  %0 = "sem.elementwise"(%x, %c) {kind = "mul", operandSegmentSizes = #two} : (tensor<?x4x?x8xf32>, tensor<?x1x?x8xf32>) -> tensor<?x4x?x8xf32>
  %1:2 = "sem.onnx"(%x) {op_type = "Split", domain = "", version = 18 : i64, attrs = {axis = -1 : i64, num_outputs = 2 : i64}, operandSegmentSizes = #in_1, resultSegmentSizes = #out_2} : (tensor<?x4x?x8xf32>) -> (tensor<?x4x?x4xf32>, tensor<?x4x?x4xf32>)
  %3 = "sem.elementwise"(%1#0) {kind = "neg", operandSegmentSizes = #one} : (tensor<?x4x?x4xf32>) -> tensor<?x4x?x4xf32>
  %4 = "sem.onnx"(%1#1, %3) {op_type = "Concat", domain = "", version = 18 : i64, attrs = {axis = -1 : i64}, operandSegmentSizes = #in_2, resultSegmentSizes = #out_1} : (tensor<?x4x?x4xf32>, tensor<?x4x?x4xf32>) -> tensor<?x4x?x8xf32>
  %5 = "sem.elementwise"(%4, %s) {kind = "mul", operandSegmentSizes = #two} : (tensor<?x4x?x8xf32>, tensor<?x1x?x8xf32>) -> tensor<?x4x?x8xf32>
  %6 = "sem.elementwise"(%0, %5) {kind = "add", operandSegmentSizes = #two} : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
  return %6 : tensor<?x4x?x8xf32>
}

// CHECK-LABEL: func.func @rotate_pairs(
// CHECK-NEXT: %[[Y:.*]] = "sem.rope"(%arg0, %arg1, %arg2) {interleaved = false, num_heads = 0 : i64, operandSegmentSizes = array<i32: 1, 1, 1, 0>, rotary_embedding_dim = 0 : i64} : (tensor<?x4x?x8xf32>, tensor<?x1x?x4xf32>, tensor<?x1x?x4xf32>) -> tensor<?x4x?x8xf32>
// CHECK-NEXT: return %[[Y]]
func.func @rotate_pairs(%x: tensor<?x4x?x8xf32>, %c: tensor<?x1x?x4xf32>, %s: tensor<?x1x?x4xf32>) -> tensor<?x4x?x8xf32> {
  %0:2 = "sem.onnx"(%x) {op_type = "Split", domain = "", version = 18 : i64, attrs = {axis = -1 : i64, num_outputs = 2 : i64}, operandSegmentSizes = #in_1, resultSegmentSizes = #out_2} : (tensor<?x4x?x8xf32>) -> (tensor<?x4x?x4xf32>, tensor<?x4x?x4xf32>)
  %1 = "sem.elementwise"(%0#0, %c) {kind = "mul", operandSegmentSizes = #two} : (tensor<?x4x?x4xf32>, tensor<?x1x?x4xf32>) -> tensor<?x4x?x4xf32>
  %2 = "sem.elementwise"(%0#1, %s) {kind = "mul", operandSegmentSizes = #two} : (tensor<?x4x?x4xf32>, tensor<?x1x?x4xf32>) -> tensor<?x4x?x4xf32>
  %3 = "sem.elementwise"(%1, %2) {kind = "sub", operandSegmentSizes = #two} : (tensor<?x4x?x4xf32>, tensor<?x4x?x4xf32>) -> tensor<?x4x?x4xf32>
  %4 = "sem.elementwise"(%0#1, %c) {kind = "mul", operandSegmentSizes = #two} : (tensor<?x4x?x4xf32>, tensor<?x1x?x4xf32>) -> tensor<?x4x?x4xf32>
  %5 = "sem.elementwise"(%0#0, %s) {kind = "mul", operandSegmentSizes = #two} : (tensor<?x4x?x4xf32>, tensor<?x1x?x4xf32>) -> tensor<?x4x?x4xf32>
  %6 = "sem.elementwise"(%5, %4) {kind = "add", operandSegmentSizes = #two} : (tensor<?x4x?x4xf32>, tensor<?x4x?x4xf32>) -> tensor<?x4x?x4xf32>
  %7 = "sem.onnx"(%3, %6) {op_type = "Concat", domain = "", version = 18 : i64, attrs = {axis = -1 : i64}, operandSegmentSizes = #in_2, resultSegmentSizes = #out_1} : (tensor<?x4x?x4xf32>, tensor<?x4x?x4xf32>) -> tensor<?x4x?x8xf32>
  return %7 : tensor<?x4x?x8xf32>
}
