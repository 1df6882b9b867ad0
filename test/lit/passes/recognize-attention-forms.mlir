// RUN: noema opt %s --passes=recognize,cse,dce | FileCheck %s

// Patterns grouped-heads, causal-mask and drop-mask.

#in_2 = array<i32: 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
#out_1 = array<i32: 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0>
#masked = array<i32: 1, 1, 1, 1, 0, 0, 0, 0>

// CHECK-LABEL: func.func @causal(
// CHECK-NEXT: %[[Y:.*]] = "sem.attention"(%arg0, %arg0, %arg0) {is_causal = true
// CHECK-NEXT: return %[[Y]]
func.func @causal(%x: tensor<2x4x2x8xf32>) -> tensor<2x4x2x8xf32> {
  %m = "sem.constant"() {value = dense<[[true, false], [true, true]]> : tensor<2x2xi1>} : () -> tensor<2x2xi1>
  %0 = "sem.attention"(%x, %x, %x, %m) {
    scale = 0.5 : f64, is_causal = false, softcap = 0.0 : f32, q_num_heads = 0 : i64, kv_num_heads = 0 : i64,
    operandSegmentSizes = #masked, resultSegmentSizes = array<i32: 1, 0, 0, 0>
  } : (tensor<2x4x2x8xf32>, tensor<2x4x2x8xf32>, tensor<2x4x2x8xf32>, tensor<2x2xi1>) -> tensor<2x4x2x8xf32>
  return %0 : tensor<2x4x2x8xf32>
}

// A boolean mask joined with a causal one stays.
// CHECK-LABEL: func.func @causal_and_padding(
// CHECK-NEXT: %[[Y:.*]] = "sem.attention"(%arg0, %arg0, %arg0, %arg1) {is_causal = true
// CHECK-SAME: tensor<2x1x1x2xi1>
// CHECK-NEXT: return %[[Y]]
func.func @causal_and_padding(%x: tensor<2x4x2x8xf32>, %p: tensor<2x1x1x2xi1>) -> tensor<2x4x2x8xf32> {
  %m = "sem.constant"() {value = dense<[[true, false], [true, true]]> : tensor<2x2xi1>} : () -> tensor<2x2xi1>
  %b = "sem.elementwise"(%p, %m) {kind = "and", operandSegmentSizes = array<i32: 1, 1, 0>} : (tensor<2x1x1x2xi1>, tensor<2x2xi1>) -> tensor<2x1x2x2xi1>
  %0 = "sem.attention"(%x, %x, %x, %b) {
    scale = 0.5 : f64, is_causal = false, softcap = 0.0 : f32, q_num_heads = 0 : i64, kv_num_heads = 0 : i64,
    operandSegmentSizes = #masked, resultSegmentSizes = array<i32: 1, 0, 0, 0>
  } : (tensor<2x4x2x8xf32>, tensor<2x4x2x8xf32>, tensor<2x4x2x8xf32>, tensor<2x1x2x2xi1>) -> tensor<2x4x2x8xf32>
  return %0 : tensor<2x4x2x8xf32>
}

// The last query sees all keys: its positions aren't those of a causal flag.
// CHECK-LABEL: func.func @aligned_at_the_end(
// CHECK: "sem.attention"(%arg0, %arg1, %arg1, %{{.*}}) {is_causal = false
func.func @aligned_at_the_end(%x: tensor<2x4x2x8xf32>, %y: tensor<2x4x3x8xf32>) -> tensor<2x4x2x8xf32> {
  %m = "sem.constant"() {value = dense<[[true, true, false], [true, true, true]]> : tensor<2x3xi1>} : () -> tensor<2x3xi1>
  %0 = "sem.attention"(%x, %y, %y, %m) {
    scale = 0.5 : f64, is_causal = false, softcap = 0.0 : f32, q_num_heads = 0 : i64, kv_num_heads = 0 : i64,
    operandSegmentSizes = #masked, resultSegmentSizes = array<i32: 1, 0, 0, 0>
  } : (tensor<2x4x2x8xf32>, tensor<2x4x3x8xf32>, tensor<2x4x3x8xf32>, tensor<2x3xi1>) -> tensor<2x4x2x8xf32>
  return %0 : tensor<2x4x2x8xf32>
}

// CHECK-LABEL: func.func @no_mask(
// CHECK-NEXT: %[[Y:.*]] = "sem.attention"(%arg0, %arg0, %arg0) {is_causal = false
// CHECK-NEXT: return %[[Y]]
func.func @no_mask(%x: tensor<2x4x2x8xf32>) -> tensor<2x4x2x8xf32> {
  %m = "sem.constant"() {value = dense<0.0> : tensor<1x1x2x2xf32>} : () -> tensor<1x1x2x2xf32>
  %0 = "sem.attention"(%x, %x, %x, %m) {
    scale = 0.5 : f64, is_causal = false, softcap = 0.0 : f32, q_num_heads = 0 : i64, kv_num_heads = 0 : i64,
    operandSegmentSizes = #masked, resultSegmentSizes = array<i32: 1, 0, 0, 0>
  } : (tensor<2x4x2x8xf32>, tensor<2x4x2x8xf32>, tensor<2x4x2x8xf32>, tensor<1x1x2x2xf32>) -> tensor<2x4x2x8xf32>
  return %0 : tensor<2x4x2x8xf32>
}

// CHECK-LABEL: func.func @grouped(
// CHECK-NEXT: %[[Y:.*]] = "sem.attention"(%arg0, %arg1, %arg1) {{.*}} : (tensor<?x4x?x8xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>) -> tensor<?x4x?x8xf32>
// CHECK-NEXT: return %[[Y]]
func.func @grouped(%q: tensor<?x4x?x8xf32>, %k: tensor<?x2x?x8xf32>) -> tensor<?x4x?x8xf32> {
  %two = "sem.constant"() {value = dense<2> : tensor<1xi64>} : () -> tensor<1xi64>
  %wide = "sem.constant"() {value = dense<[1, 1, 2, 1, 1]> : tensor<5xi64>} : () -> tensor<5xi64>
  %shape = "sem.constant"() {value = dense<[0, 4, -1, 8]> : tensor<4xi64>} : () -> tensor<4xi64>
  %u = "sem.onnx"(%k, %two) {op_type = "Unsqueeze", domain = "", version = 23 : i64, attrs = {}, operandSegmentSizes = #in_2, resultSegmentSizes = #out_1} : (tensor<?x2x?x8xf32>, tensor<1xi64>) -> tensor<?x2x1x?x8xf32>
  %e = "sem.onnx"(%u, %wide) {op_type = "Expand", domain = "", version = 23 : i64, attrs = {}, operandSegmentSizes = #in_2, resultSegmentSizes = #out_1} : (tensor<?x2x1x?x8xf32>, tensor<5xi64>) -> tensor<?x2x2x?x8xf32>
  %r = "sem.onnx"(%e, %shape) {op_type = "Reshape", domain = "", version = 23 : i64, attrs = {}, operandSegmentSizes = #in_2, resultSegmentSizes = #out_1} : (tensor<?x2x2x?x8xf32>, tensor<4xi64>) -> tensor<?x4x?x8xf32>
  %0 = "sem.attention"(%q, %r, %r) {
    scale = 0.5 : f64, is_causal = false, softcap = 0.0 : f32, q_num_heads = 0 : i64, kv_num_heads = 0 : i64,
    operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 0, 0, 0>
  } : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
  return %0 : tensor<?x4x?x8xf32>
}
