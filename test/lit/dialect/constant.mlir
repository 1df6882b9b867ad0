// RUN: noema opt %s --split-input-file --verify-diagnostics
// RUN: not noema opt %s --split-input-file 2>/dev/null | FileCheck %s

// Prints as it was read, for every element type.
// CHECK-LABEL: func.func @types(
// CHECK-NEXT: "sem.constant"() {value = dense<[1.000000e+00, 0x7FC00000, 0xFF800000]> : tensor<3xf32>} : () -> tensor<3xf32>
// CHECK-NEXT: "sem.constant"() {value = dense<1.500000e+00> : tensor<2x2xbf16>} : () -> tensor<2x2xbf16>
// CHECK-NEXT: "sem.constant"() {value = dense<255> : tensor<ui8>} : () -> tensor<ui8>
// CHECK-NEXT: "sem.constant"() {value = dense<-8> : tensor<3xi4>} : () -> tensor<3xi4>
// CHECK-NEXT: "sem.constant"() {value = dense<[true, false]> : tensor<2xi1>} : () -> tensor<2xi1>
// CHECK-NEXT: "sem.constant"() {value = dense<1.000000e+00> : tensor<f8E4M3FN>} : () -> tensor<f8E4M3FN>
// CHECK-NEXT: "sem.constant"() {value = dense<> : tensor<0x4xf32>} : () -> tensor<0x4xf32>
func.func @types() {
  %0 = "sem.constant"() {value = dense<[1.0, 0x7FC00000, 0xFF800000]> : tensor<3xf32>} : () -> tensor<3xf32>
  %1 = "sem.constant"() {value = dense<1.5> : tensor<2x2xbf16>} : () -> tensor<2x2xbf16>
  %2 = "sem.constant"() {value = dense<255> : tensor<ui8>} : () -> tensor<ui8>
  %3 = "sem.constant"() {value = dense<-8> : tensor<3xi4>} : () -> tensor<3xi4>
  %4 = "sem.constant"() {value = dense<[true, false]> : tensor<2xi1>} : () -> tensor<2xi1>
  %5 = "sem.constant"() {value = dense<1.0> : tensor<f8E4M3FN>} : () -> tensor<f8E4M3FN>
  %6 = "sem.constant"() {value = dense<> : tensor<0x4xf32>} : () -> tensor<0x4xf32>
  return
}

// -----

func.func @wrong_type() {
  // expected-error@+1 {{value has type tensor<2xf32>, result has type tensor<3xf32>}}
  %0 = "sem.constant"() {value = dense<1.0> : tensor<2xf32>} : () -> tensor<3xf32>
  return
}

// -----

func.func @not_elements() {
  // expected-error@+1 {{'sem.constant' op}}
  %0 = "sem.constant"() {value = "one"} : () -> tensor<f32>
  return
}

// -----

func.func @no_value() {
  // expected-error@+1 {{'sem.constant' op}}
  %0 = "sem.constant"() : () -> tensor<f32>
  return
}

// -----

func.func @not_a_tensor() {
  // expected-error@+1 {{takes and gives ranked tensors, not f32}}
  %0 = "sem.constant"() {value = 1.0 : f32} : () -> f32
  return
}
