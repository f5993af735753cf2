#!/usr/bin/env bash
# The AMX kernels on a machine without AMX: their tests on an emulated Sapphire Rapids with a real Linux kernel.
#
#     tests/peers/amx_emulated.sh [FOLDER]
#
# FOLDER (default: ~/.cache/rhea-amx) takes Bochs 3.0 (built from Debian's source, patched below), a Debian kernel, BusyBox and
# ISOLINUX (unpacked, not installed), the disc that the emulator starts from, and what it said: serial.txt and bochs.log. No root.
# Wants Debian 12 or newer on x86-64 with package lists (apt-get update), g++, make, patch, curl, python3 and cargo.
#
# The disc has release tests of this checkout: all of model/nn's kernels and layers, branches, allocations, and golden numbers of the
# transformer and of the picture decoder. The kernels' run with the unit that Rhea chooses, then all with RHEA_KERNELS=amx-bf16.
# It is a failure when either is not amx-bf16, when a test fails, or when the emulator counted hardly any tile products.
# Left out are two tests of f32 and AVX-512 panels, which have no tiles and take long here, one that wants model/nano and one that
# wants an installed C library; the tests of devices and ranks, which compute in f32; and speed, of which an emulator says nothing.
# The first run takes about 10 minutes after the tests are built, later ones about 6; times inside are the emulated clock's.
# The emulator is a process named bochs of the lowest priority; it may be stopped and continued, for nothing times out.
set -euo pipefail
here="$(cd "$(dirname "$0")/../.." && pwd)"
folder="${1:-${XDG_CACHE_HOME:-$HOME/.cache}/rhea-amx}"
mkdir -p "$folder"
folder="$(cd "$folder" && pwd)"
debian="$folder/debian"
busybox="$debian/bin/busybox"
# Where this machine's Debian keeps Bochs, of any version.
pool="$(apt-get download --print-uris bochsbios | sed -n "s|^'\(.*\)/[^/]*' .*|\1|p")"
[ -n "$pool" ] || { echo "apt-get knows no bochsbios: this wants Debian and its package lists" >&2; exit 1; }

fetch() { # URL FILE SHA256
    curl -sSfL -o "$2" "$1"
    echo "$3  $2" | sha256sum --check --quiet
}

# The programs and the kernel that the disc is made of, with the newest kernel that this Debian has.
if [ ! -e "$debian/.ready" ]; then
    rm -rf "$debian" "$folder/packages"
    mkdir -p "$debian" "$folder/packages"
    kernel="$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)"
    [ -n "$kernel" ] || { echo "apt-get knows no linux-image-cloud-amd64: this wants Debian and its package lists" >&2; exit 1; }
    (cd "$folder/packages" && apt-get download -qq -o "APT::Sandbox::User=$(id -un)" "$kernel" busybox-static isolinux \
        syslinux-common vgabios xorriso libisoburn1 libisofs6 libburn4 libjte2)
    fetch "$pool/bochsbios_3.0+dfsg-1_all.deb" "$folder/packages/bochsbios.deb" \
        13f8f4bdd9bb5c07378b7e39042cb631ebdd41d00b0f1a3091caab17ca946a5b
    for package in "$folder"/packages/*.deb; do dpkg-deb -x "$package" "$debian"; done
    touch "$debian/.ready"
fi

# Bochs 3.0 has AMX, but not all that Linux and these tests want of it:
# - XFD: Linux offers tiles only where it can disable them. CPUID says so, the two registers exist, and tile instructions raise #NM
#   while they are disabled.
# - XSAVES and XRSTORS keep tiles across a change of threads: rows and row lengths were swapped, half of the rows were left out,
#   "in use" was the opposite, and components that stand in the area but were not asked for did not move those behind them.
# - Signed bytes of tiles were taken as unsigned, VCVTNE2PS2BF16 read beside its first operand, and gathers refused zmm16 and above.
# - A count of bf16 tile products in the log, so that their use is seen from outside.
cat > "$folder/bochs.patch" <<'PATCH'
--- a/cpu/avx/amx.cc
+++ b/cpu/avx/amx.cc
@@ -282,2 +282,2 @@
-  const Bit8u xbyte[4] = { Bit8u(x & 0xff), Bit8u((x >> 8) & 0xff), Bit8u((x >> 16) & 0xff), Bit8u(x >> 24) };
-  const Bit8u ybyte[4] = { Bit8u(y & 0xff), Bit8u((y >> 8) & 0xff), Bit8u((y >> 16) & 0xff), Bit8u(y >> 24) };
+  const Bit8s xbyte[4] = { Bit8s(x & 0xff), Bit8s((x >> 8) & 0xff), Bit8s((x >> 16) & 0xff), Bit8s(x >> 24) };
+  const Bit8s ybyte[4] = { Bit8s(y & 0xff), Bit8s((y >> 8) & 0xff), Bit8s((y >> 16) & 0xff), Bit8s(y >> 24) };
@@ -295 +295 @@
-  const Bit8u xbyte[4] = { Bit8u(x & 0xff), Bit8u((x >> 8) & 0xff), Bit8u((x >> 16) & 0xff), Bit8u(x >> 24) };
+  const Bit8s xbyte[4] = { Bit8s(x & 0xff), Bit8s((x >> 8) & 0xff), Bit8s((x >> 16) & 0xff), Bit8s(x >> 24) };
@@ -309 +309 @@
-  const Bit8u ybyte[4] = { Bit8u(y & 0xff), Bit8u((y >> 8) & 0xff), Bit8u((y >> 16) & 0xff), Bit8u(y >> 24) };
+  const Bit8s ybyte[4] = { Bit8s(y & 0xff), Bit8s((y >> 8) & 0xff), Bit8s((y >> 16) & 0xff), Bit8s(y >> 24) };
@@ -489,0 +490,4 @@
+  static Bit64u products = 0;
+  if ((++products & (products - 1)) == 0)
+    BX_INFO(("tdpbf16ps: at least " FMT_LL "d", products));
+
--- a/cpu/avx/amx.h
+++ b/cpu/avx/amx.h
@@ -34 +34 @@
-  AMX(): palette_id(0), start_row(0) {}
+  AMX(): palette_id(0), start_row(0), tile_use_tracker(0) {}
--- a/cpu/avx/avx512_bf16.cc
+++ b/cpu/avx/avx512_bf16.cc
@@ -70 +70 @@
-    dst.vmm16u(n) = convert_ne_fp32_to_bfloat16(op1.vmm32u(n));
+    dst.vmm16u(n) = convert_ne_fp32_to_bfloat16(op1.vmm32u(n - DWORD_ELEMENTS(len)));
--- a/cpu/cpu.h
+++ b/cpu/cpu.h
@@ -672,0 +673 @@
+  Bit64u ia32_xfd, ia32_xfd_err;
--- a/cpu/cpuid.cc
+++ b/cpu/cpuid.cc
@@ -238,0 +239,2 @@
+    if (is_cpu_extension_supported(BX_ISA_AMX))
+      leaf->eax |= (1<<4);
@@ -262,0 +265,2 @@
+      if (subfunction == xcr0_t::BX_XCR0_XTILEDATA_BIT)
+        leaf->ecx |= (1<<2);
--- a/cpu/decoder/fetchdecode32.cc
+++ b/cpu/decoder/fetchdecode32.cc
@@ -1340,0 +1341 @@
+      vvv &= 0xf;
--- a/cpu/init.cc
+++ b/cpu/init.cc
@@ -1057,0 +1058 @@
+  BX_CPU_THIS_PTR msr.ia32_xfd = BX_CPU_THIS_PTR msr.ia32_xfd_err = 0;
--- a/cpu/msr.cc
+++ b/cpu/msr.cc
@@ -111,0 +112,2 @@
+  msr_desc[BX_MSR_IA32_XFD] = new MSR_Descriptor("MSR_IA32_XFD", BX_ISA_AMX);
+  msr_desc[BX_MSR_IA32_XFD_ERROR] = new MSR_Descriptor("MSR_IA32_XFD_ERR", BX_ISA_AMX);
@@ -337,0 +340,6 @@
+    case BX_MSR_IA32_XFD:
+      val64 = BX_CPU_THIS_PTR msr.ia32_xfd;
+      break;
+    case BX_MSR_IA32_XFD_ERROR:
+      val64 = BX_CPU_THIS_PTR msr.ia32_xfd_err;
+      break;
@@ -961,0 +970,7 @@
+    case BX_MSR_IA32_XFD:
+    case BX_MSR_IA32_XFD_ERROR:
+      if (val_64 & ~Bit64u(BX_XCR0_XTILEDATA_MASK))
+        return false;
+      (index == BX_MSR_IA32_XFD ? BX_CPU_THIS_PTR msr.ia32_xfd : BX_CPU_THIS_PTR msr.ia32_xfd_err) = val_64;
+      handleAvxModeChange();
+      break;
--- a/cpu/proc_ctrl.cc
+++ b/cpu/proc_ctrl.cc
@@ -541 +541,2 @@
-      (~BX_CPU_THIS_PTR xcr0.val32 & (BX_XCR0_XTILECFG_MASK | BX_XCR0_XTILEDATA_MASK)) != 0)
+      (~BX_CPU_THIS_PTR xcr0.val32 & (BX_XCR0_XTILECFG_MASK | BX_XCR0_XTILEDATA_MASK)) != 0 ||
+      BX_CPU_THIS_PTR msr.ia32_xfd != 0)
@@ -608,0 +610,5 @@
+
+  if (BX_CPU_THIS_PTR msr.ia32_xfd != 0) {
+    BX_CPU_THIS_PTR msr.ia32_xfd_err |= BX_CPU_THIS_PTR msr.ia32_xfd;
+    exception(BX_NM_EXCEPTION, 0);
+  }
--- a/cpu/xsave.cc
+++ b/cpu/xsave.cc
@@ -350,0 +351,5 @@
+  if (Bit32u disabled = requested_feature_bitmap & restore_mask & Bit32u(BX_CPU_THIS_PTR msr.ia32_xfd)) {
+    BX_CPU_THIS_PTR msr.ia32_xfd_err |= disabled;
+    exception(BX_NM_EXCEPTION, 0);
+  }
+
@@ -407,3 +411,0 @@
-
-        if (format & feature_mask)
-          offset += xsave_restore[feature].len;
@@ -410,0 +413,3 @@
+
+      if (format & feature_mask)
+        offset += xsave_restore[feature].len;
@@ -1142,2 +1147,2 @@
-      tilecfg.vmm16u(8+n)    = BX_CPU_THIS_PTR amx->tilecfg[n].rows;
-      tilecfg.vmmubyte(48+n) = BX_CPU_THIS_PTR amx->tilecfg[n].bytes_per_row;
+      tilecfg.vmm16u(8+n)    = BX_CPU_THIS_PTR amx->tilecfg[n].bytes_per_row;
+      tilecfg.vmmubyte(48+n) = BX_CPU_THIS_PTR amx->tilecfg[n].rows;
@@ -1175 +1180 @@
-    for (unsigned row=0; row < BX_TILE_REGISTERS; row++) {
+    for (unsigned row=0; row < BX_TILE_MAX_ROWS; row++) {
@@ -1186 +1191 @@
-    for (unsigned row=0; row < BX_TILE_REGISTERS; row++) {
+    for (unsigned row=0; row < BX_TILE_MAX_ROWS; row++) {
@@ -1203 +1208 @@
-  return (BX_CPU_THIS_PTR amx->tile_use_tracker == 0);  // all tiles are zero
+  return BX_CPU_THIS_PTR amx->tile_use_tracker != 0 && BX_CPU_THIS_PTR msr.ia32_xfd == 0;
PATCH
if [ ! -x "$folder/bochs" ] || ! cmp -s "$folder/bochs.patch" "$folder/source/applied.patch"; then
    rm -rf "$folder/source"
    mkdir -p "$folder/source"
    fetch "$pool/bochs_3.0+dfsg.orig.tar.xz" "$folder/source/bochs.tar.xz" \
        78f6c73d4a6472d5130a87ab9dc306d02c7c71ed8e25b3a8ef642e2a7acd282b
    tar -xJf "$folder/source/bochs.tar.xz" -C "$folder/source" --strip-components=1
    cd "$folder/source"
    patch -s -p1 < "$folder/bochs.patch"
    # Without the count of instructions a second: it writes the log out of a signal, which may wait for itself for ever.
    nice -n 19 ./configure -q --enable-x86-64 --enable-avx --enable-evex --enable-amx --enable-protection-keys \
        --enable-all-optimizations --disable-show-ips --disable-docbook --with-nogui CFLAGS=-O2 CXXFLAGS=-O2 >"$folder/build.log" 2>&1
    nice -n 19 make >>"$folder/build.log" 2>&1 || { tail -n 20 "$folder/build.log" >&2; exit 1; }
    cp bochs "$folder/bochs"
    cp "$folder/bochs.patch" applied.patch
fi

# The tests of this checkout. Always the whole workspace, so that no dependency is built again with other features.
cd "$here"
built() { # What cargo built: PACKAGE NAME PATH a line.
    nice -n 19 cargo "$@" --release --workspace --message-format=json-render-diagnostics | python3 -c '
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("executable"):
        package = message["manifest_path"].split("/")[-2]
        print(package, message["target"]["name"], message["executable"])'
}
built test --no-run --lib --test branches --test allocations --test golden > "$folder/programs"
built build --example kernels >> "$folder/programs"

rm -rf "$folder/root" "$folder/disc"
mkdir -p "$folder/root"/{bin,dev,golden,proc,sys,tests,tmp} "$folder/disc"
cp "$busybox" "$folder/root/bin"
while read -r package name as; do
    program="$(sed -n "s/^$package $name //p" "$folder/programs" | head -n 1)"
    [ -n "$program" ] || { echo "cargo built no $name of $package" >&2; exit 1; }
    strip -o "$folder/root/tests/$as" "$program"
    for library in $(ldd "$program" | grep -o '/[^ ]*'); do
        mkdir -p "$folder/root$(dirname "$library")"
        cp -Lu "$library" "$folder/root$library"
    done
done <<'PROGRAMS'
nn rhea_nn nn
nn branches branches
nn allocations allocations
nn kernels kernels
tests golden golden
PROGRAMS
cp -r tests/golden/{transformer,vision_tokenizer} "$folder/root/golden"

cat > "$folder/root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin RHEA_GOLDEN=/golden
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
# Two threads on the one CPU: tiles must survive a change of threads.
export RAYON_NUM_THREADS=2
unit() { echo "== $1: $(/tests/kernels 2>/dev/null | head -n 1)"; }
try() {
    echo "== $*"
    program=$1
    shift
    "/tests/$program" "$@" --test-threads 2 || { echo "== FAILED: $program"; dmesg | tail -n 5; }
}
slow="--skip neither_threads_nor_the_number_of_rows_change_a_bit --skip every_format_and_unit_agrees_with_f64"
unit "chosen by itself"
try nn kernels:: $slow
export RHEA_KERNELS=amx-bf16
unit "chosen by RHEA_KERNELS"
try nn $slow --skip vision::check --skip libraries_are_found_by_their_whole_name
try branches
try allocations
try golden transformer:: golden_vision_on_the_fast_unit
echo "== finished"
sleep 1
poweroff -f
INIT
chmod +x "$folder/root/init"
(cd "$folder/root" && find . | "$busybox" cpio -o -H newc 2>/dev/null | gzip -1 > "$folder/disc/initrd.gz")

# Bochs says that its processor has short fast copies (FSRM) and not that fast copies are on, which the kernel's memmove cannot
# have; its clock counts instructions, 100 million a second.
cp "$debian"/boot/vmlinuz-* "$folder/disc/vmlinuz"
cp "$debian/usr/lib/ISOLINUX/isolinux.bin" "$debian/usr/lib/syslinux/modules/bios/ldlinux.c32" "$folder/disc"
cat > "$folder/disc/isolinux.cfg" <<'BOOT'
default rhea
label rhea
  kernel /vmlinuz
  append initrd=/initrd.gz console=ttyS0,115200 quiet no5lvl nokaslr mitigations=off clearcpuid=fsrm tsc_early_khz=100000 idle=poll panic=-1 reboot=t
BOOT
LD_LIBRARY_PATH="$debian/usr/lib/x86_64-linux-gnu" "$debian/usr/bin/xorriso" -as mkisofs -quiet -o "$folder/disc.iso" \
    -b isolinux.bin -c boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table "$folder/disc" 2>"$folder/disc.log"
cat > "$folder/bochsrc" <<BOCHS
config_interface: textconfig
display_library: nogui
memory: guest=1536, host=1536
romimage: file="$debian/usr/share/bochs/BIOS-bochs-latest"
vgaromimage: file="$debian/usr/share/vgabios/vgabios.bin"
cpu: model=sapphire_rapids, count=1, ips=100000000, reset_on_triple_fault=0
clock: sync=none
ata0-master: type=cdrom, path="$folder/disc.iso", status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev="$folder/serial.txt"
log: "$folder/bochs.log"
panic: action=fatal
error: action=ignore
BOCHS
rm -f "$folder/serial.txt" "$folder/bochs.log"
echo "emulating; $folder/serial.txt grows meanwhile"
started=$(date +%s)
# Switching off ends it with an error too: what counts is what the machine said.
nice -n 19 "$folder/bochs" -q -f "$folder/bochsrc" </dev/null >"$folder/bochs.out" 2>&1 || true

said="$(tr -d '\r' < "$folder/serial.txt")"
grep -E '^== |^test result|\.\.\. FAILED|panicked at' <<< "$said" || true
passed=$(sed -n 's/^test result: .* \([0-9]*\) passed.*/\1/p' <<< "$said" | paste -sd+ | sed 's/^$/0/')
products=$(sed -n 's/.*tdpbf16ps: at least \([0-9]*\).*/\1/p' "$folder/bochs.log" | tail -n 1)
echo "$((passed)) tests passed, at least ${products:-0} tile products, $(( $(date +%s) - started )) s"
wrong() { echo "FAILED: $1; see $folder/serial.txt and $folder/bochs.log" >&2; exit 1; }
grep -qx '== finished' <<< "$said" || wrong "the machine did not come to its end"
[ "$(grep -c '^== chosen by .*: unit amx-bf16$' <<< "$said")" = 2 ] || wrong "the unit was not amx-bf16"
! grep -q -e '^== FAILED' -e '^test result: FAILED' <<< "$said" || wrong "tests failed"
[ "$((passed))" -ge 100 ] || wrong "too few tests ran"
[ "${products:-0}" -ge 100000 ] || wrong "too few tile products for these tests"
