"""Tests of check.py, without a GPU and without a toolkit:

python3 -m unittest discover -s cuda/resources
"""

import pathlib
import tempfile
import unittest

import budget
import check
import cubin
import machine
import sass

HERE = pathlib.Path(__file__).resolve().parent
RATES = machine.Rates(HERE / "rates.txt")


def lines(name):
    return (HERE / "testdata" / name).read_text(encoding="utf-8").splitlines()


def functions():
    return {(arch, name): code for arch, name, code in sass.parse(lines("loops.sass"))}


def one(opcode, operands="R0, R1"):
    return sass.Instruction(0, "", opcode, operands)


def cycles_of(opcode, arch="sm_80"):
    return machine.cycles([one(opcode)], RATES, arch)


def code_of(*texts):
    """A function of these instructions."""
    text = ["arch = sm_80", "\t\tFunction : f"]
    text += [f"        /*{i * 16:04x}*/  {each} ;" for i, each in enumerate(texts)]
    ((_, _, code),) = sass.parse(text)
    return code


class Parsing(unittest.TestCase):
    def test_functions(self):
        found = functions()
        self.assertEqual(
            list(found), [("sm_80", "_Z6matmulv"), ("sm_80", "_Z4copyv"), ("sm_90a", "_Z4sumsv")]
        )
        code = found["sm_80", "_Z6matmulv"]
        self.assertEqual(code[-1].address, 0x1A0, "the endless loop and the NOPs are padding")
        self.assertEqual(code[2], sass.Instruction(0x20, "@!P2", "BRA", "0x40"))
        self.assertEqual(code[4].name, "LDSM")
        self.assertEqual(len(found["sm_80", "_Z4copyv"]), 3)

    def test_usage(self):
        self.assertEqual(
            cubin.parse_usage(lines("usage.txt")),
            {
                ("sm_80", "_Z6matmulv"): {"registers": 40, "static": 2048, "stack": 24},
                ("sm_80", "_Z4copyv"): {"registers": 10, "static": 0, "stack": 0},
                # 1024 bytes are the system's.
                ("sm_90a", "_Z4sumsv"): {"registers": 24, "static": 512, "stack": 0},
            },
        )

    def test_threads(self):
        self.assertEqual(
            cubin.parse_threads(lines("elf.txt")),
            {("sm_80", "_Z6matmulv"): 256, ("sm_90a", "_Z4sumsv"): 256},
        )

    def test_names(self):
        for long, short in (
            (
                "void ll4::cuda::a_kernel<ll4::cuda::Tile<128, 4>, true>(ll4::cuda::P)",
                "a_kernel<Tile<128,4>,true>",
            ),
            ("ll4::cuda::(anonymous namespace)::b_kernel(int, float)", "b_kernel"),
            (
                "void c_kernel<(int)64, (bool)1, (ll4::cuda::Kind)2>(void (*)(int))",
                "c_kernel<64,1,(Kind)2>",
            ),
        ):
            self.assertEqual(cubin.shorten(long), short)


class Loops(unittest.TestCase):
    def setUp(self):
        self.code = functions()["sm_80", "_Z6matmulv"]
        self.graph = sass.Graph(self.code)

    def test_found(self):
        heads = {self.graph.blocks[h][0].address for h in self.graph.loops}
        self.assertEqual(heads, {0x10, 0x20, 0xF0})

    def test_out_of_line_code_is_no_part(self):
        addresses = {
            i.address
            for body in self.graph.loops.values()
            for b in body
            for i in self.graph.blocks[b]
        }
        self.assertNotIn(0x190, addresses)
        self.assertNotIn(0x140, addresses)

    def test_main_loop(self):
        loop = check.main_loop(self.code, RATES)
        self.assertTrue(loop.is_loop)
        self.assertEqual(
            [i.address for i in loop.code],
            [0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x80, 0x90, 0xC0, 0xD0, 0xE0],
        )
        # It leaves out what may be skipped; either way to 0xe0 has two instructions.
        self.assertEqual(
            [i.address for i in loop.shortest][:7], [0x20, 0x40, 0x50, 0x60, 0x70, 0x80, 0x90]
        )
        self.assertEqual(len(loop.shortest), 10)

    def test_without_tensor_cores_most_bytes(self):
        loop = check.main_loop(functions()["sm_90a", "_Z4sumsv"], RATES)
        self.assertEqual([i.address for i in loop.code], [0x10, 0x20, 0x30, 0x40])

    def test_no_loop(self):
        loop = check.main_loop(functions()["sm_80", "_Z4copyv"], RATES)
        self.assertFalse(loop.is_loop)
        self.assertEqual(len(loop.code), 3)

    def test_unconditional_jump_back(self):
        code = code_of("MOV R1, R2", "@P0 EXIT", "FADD R1, R1, R2", "BRA 0x10", "EXIT")
        loop = check.main_loop(code, RATES)
        self.assertTrue(loop.is_loop)
        self.assertEqual([i.address for i in loop.code], [0x10, 0x20, 0x30])

    def test_successors(self):
        for branch, after in (
            ("BRA 0x0", [0]),
            ("@PT BRA 0x0", [0]),
            ("@!P0 BRA 0x0", [1, 0]),
            ("BRA P1, 0x0", [1, 0]),
            ("BRA.U !UP0, 0x0", [1, 0]),
            ("EXIT", []),
            ("@P0 EXIT", [1]),
            ("RET.REL.NODEC R2 0x0", []),
            ("BRX R2 -0x40", []),
        ):
            # The jump in the second block makes it one, whatever comes before.
            graph = sass.Graph(code_of(branch, "MOV R1, R2", "@P3 BRA 0x10", "EXIT"))
            self.assertEqual(graph.next[0], after, branch)

    def test_waiting_inside(self):
        """A loop that waits for a barrier does not keep the one around it from being innermost."""
        code = code_of(
            "MOV R1, R2",
            "FADD R1, R1, R2",
            "SYNCS.PHASECHK.TRANS64.TRYWAIT P0, [R1]",
            "@!P0 BRA 0x20",
            "HMMA.16816.F32 R4, R8, R12, R4",
            "@P1 BRA 0x10",
            "EXIT",
        )
        loop = check.main_loop(code, RATES)
        self.assertEqual([i.address for i in loop.code], [0x10, 0x20, 0x30, 0x40, 0x50])

    def test_two_ways_in(self):
        """What a jump back enters by two ways is no natural loop."""
        code = code_of("@P0 BRA 0x20", "FADD R1, R1, R2", "FMUL R1, R1, R2", "@P1 BRA 0x10", "EXIT")
        self.assertEqual(sass.Graph(code).loops, {})


class Machine(unittest.TestCase):
    def test_tensor_cycles(self):
        self.assertEqual(cycles_of("HMMA.16816.F32.BF16")["tensor"], 8)
        self.assertEqual(cycles_of("HMMA.16816.F32.BF16", "sm_86")["tensor"], 16)
        self.assertEqual(cycles_of("HMMA.1688.F32")["tensor"], 4)
        self.assertEqual(cycles_of("IMMA.16832.S8.S8")["tensor"], 8)
        self.assertEqual(cycles_of("QMMA.16832.F32.E4M3.E4M3", "sm_120")["tensor"], 16)
        # A quarter of 64 x 128 x 16, at a quarter of 2048 a clock.
        self.assertEqual(cycles_of("HGMMA.64x128x16.F32.BF16", "sm_90a")["tensor"], 64)

    def test_unknown_tensor_instructions_are_errors(self):
        for opcode, arch in (
            ("UTCHMMA", "sm_100a"),
            ("QMMA.16832.F32.E4M3.E4M3", "sm_80"),
            ("HMMA.F32", "sm_80"),
        ):
            with self.assertRaises(machine.Error):
                cycles_of(opcode, arch)
        with self.assertRaises(machine.Error):
            cycles_of("MOV", "sm_75")

    def test_other_cycles(self):
        for opcode, arch, unit, cycles in (
            ("MOV", "sm_80", "issue", 1),
            ("MUFU.EX2", "sm_80", "mufu", 8),
            ("MUFU.EX2", "sm_90a", "mufu", 8),
            ("FFMA", "sm_80", "fma", 2),
            ("FFMA", "sm_90a", "fma", 1),
            ("IMAD.WIDE.U32", "sm_90a", "imad", 2),
            ("LOP3.LUT", "sm_86", "alu", 2),
            ("DFMA", "sm_89", "fp64", 64),
            ("LDSM.16.M88.4", "sm_80", "l1", 16),
            ("LDSM.16.MT88.2", "sm_80", "l1", 8),
            ("LDS.64", "sm_80", "l1", 8),
            ("LDS.U16", "sm_80", "l1", 2),
            ("STS", "sm_80", "l1", 4),
            ("SHFL.BFLY", "sm_80", "l1", 4),
            ("LDGSTS.E.BYPASS.LTC128B.128", "sm_80", "l1", 16),
            ("LDG.E.128.CONSTANT", "sm_80", "lsu", 4),
            ("LDG.E.128.CONSTANT", "sm_86", "lsu", 8),
        ):
            self.assertEqual(cycles_of(opcode, arch)[unit], cycles, f"{opcode} on {arch}: {unit}")
        self.assertAlmostEqual(cycles_of("LDG.E.128")["dram"], 512 * 4 / 13.4)
        self.assertEqual(cycles_of("HMMA.16816.F32.BF16")["l1"], 0)

    def test_bound(self):
        busy = {"tensor": 80.0, "issue": 40.0, "l1": 100.0, "dram": 50.0}
        self.assertEqual(machine.bound(busy, "tensor"), (0.8, "l1"))
        self.assertEqual(machine.bound(busy, "dram"), (0.5, "l1"))
        busy["l1"] = 80.0
        self.assertEqual(machine.bound(busy, "tensor"), (1.0, "tensor"))

    def test_occupancy(self):
        for arch, threads, registers, shared, blocks, limit in (
            ("sm_80", 128, 255, 0, 2, "registers"),
            ("sm_80", 128, 32, 0, 16, "warps"),
            ("sm_80", 32, 32, 0, 32, "blocks"),
            ("sm_86", 32, 32, 0, 16, "blocks"),
            ("sm_80", 128, 64, 81920, 2, "shared memory"),
            ("sm_80", 128, 64, 83200, 1, "shared memory"),
            ("sm_90a", 256, 168, 102400, 1, "registers"),
            ("sm_90a", 128, 168, 114688 - 1024, 2, "shared memory"),
            ("sm_86", 128, 64, 101377, 0, "shared memory"),
            ("sm_86", 128, 64, 101376, 1, "shared memory"),
            # Three warps of 128 registers: the sub-cores hold four each, 16 in all.
            ("sm_80", 96, 128, 0, 5, "registers"),
            # 41 registers are given out as 48, 15769 bytes as 15872 and 1024.
            ("sm_80", 128, 41, 0, 10, "registers"),
            ("sm_80", 32, 32, 15769, 9, "shared memory"),
        ):
            found = machine.occupancy(RATES.of(arch), threads, registers, shared)
            self.assertEqual(
                (found.blocks, found.limit),
                (blocks, limit),
                f"{arch} {threads} {registers} {shared}",
            )


def report(name="k", arch="sm_80", **changes):
    figures = budget.Figures(40, 0, 0.5, 0.9, 0.8)
    plain = check.Report(name, arch, 128, 0, 0, 0, 1, 9, True, {}, figures, 0.9, "l1", None)
    return plain._replace(**changes)


class Budget(unittest.TestCase):
    def limits(self, **kernels):
        return kernels or {"k": budget.Kernel(0, {"sm_80": budget.Figures(40, 0, 0.5, 0.9, 0.8)})}

    def test_within(self):
        self.assertEqual(check.problems_of([report()], self.limits()), [])

    def test_every_figure_is_held(self):
        good = budget.Figures(40, 0, 0.5, 0.9, 0.8)
        for change, words in (
            ({"registers": 41}, "k on sm_80: 41 registers a thread, the budget says 40 at most"),
            (
                {"static": 16},
                "k on sm_80: 16 bytes of static shared memory, the budget says 0 at most",
            ),
            ({"share": 0.49}, "0.490 of the main loop's instructions are the tensor core's"),
            (
                {"tensor": 0.89},
                "0.890 is how busy the tensor core can be, the budget says 0.90 at least",
            ),
            ({"dram": 0.79}, "0.790 is how busy device memory can be"),
            ({"tensor": None}, "nothing is how busy the tensor core can be"),
        ):
            found = check.problems_of([report(figures=good._replace(**change))], self.limits())
            self.assertEqual(len(found), 1, found)
            self.assertIn(words, found[0])

    def test_never_allowed(self):
        for change, words in (
            ({"stack": 8}, "8 bytes of local memory"),
            ({"spills": 2}, "2 loads and stores of spilled registers"),
            ({"threads": None}, "no __launch_bounds__"),
        ):
            found = check.problems_of([report(**change)], self.limits())
            self.assertEqual(len(found), 1, found)
            self.assertIn(words, found[0])

    def test_lines_and_kernels_agree(self):
        for found, limits, words in (
            ([report(), report("new")], self.limits(), "new on sm_80: not in the budget"),
            ([report(), report(arch="sm_90a")], self.limits(), "k on sm_90a: not in the budget"),
            (
                [report("other")],
                self.limits(other=self.limits()["k"], **self.limits()),
                "k on sm_80: in the budget, not in",
            ),
            (
                [report()],
                self.limits(k=self.limits()["k"]._replace(dynamic=None)),
                "how much dynamic shared memory",
            ),
        ):
            problems = check.problems_of(found, limits)
            self.assertEqual(len(problems), 1, problems)
            self.assertIn(words, problems[0])

    def test_architectures_that_were_not_compiled(self):
        limits = self.limits()
        limits["k"].limits["sm_90a"] = budget.Figures(1, 0, None, None, None)
        self.assertEqual(check.problems_of([report()], limits), [])
        self.assertIn("sm_90a", check.updated([report()], limits)["k"].limits)

    def test_update_passes_but_blesses_no_spill(self):
        found = [report(), report("new", spills=1)]
        limits = check.updated(found, self.limits())
        self.assertEqual(limits["k"].dynamic, 0)
        self.assertIsNone(limits["new"].dynamic)
        problems = check.problems_of(found, limits)
        self.assertEqual(len(problems), 2, problems)
        self.assertIn("spilled", problems[0])
        self.assertIn("how much dynamic", problems[1])

    def test_limits_leave_little_room(self):
        limit = budget.limits_for(budget.Figures(41, 16, 0.5, 1.0, None))
        self.assertEqual(limit, budget.Figures(48, 16, 0.47, 0.95, None))

    def test_file(self):
        kernels = {
            "b_kernel<Tile<1,2>,true>": budget.Kernel(
                4096,
                {
                    "sm_120": budget.Figures(168, 0, 0.25, 0.5, None),
                    "sm_90a": budget.Figures(40, 16, None, None, 1.0),
                },
            ),
            "a": budget.Kernel(None, {"sm_80": budget.Figures(8, 0, None, None, None)}),
        }
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "budget.txt"
            budget.write(path, kernels)
            self.assertEqual(budget.read(path), kernels)
            text = path.read_text(encoding="utf-8")
            self.assertLess(text.index("sm_90a"), text.index("sm_120"))
            for bad in (
                "a dynamic x",
                "  sm_80 registers 8",
                "a",
                "a dynamic 0\n  sm_80 registers 1 static - share - tensor - dram -",
            ):
                path.write_text(bad + "\n", encoding="utf-8")
                with self.assertRaises(machine.Error):
                    budget.read(path)


class Whole(unittest.TestCase):
    """From the tools' output to a report."""

    def test_report(self):
        key = ("sm_80", "_Z6matmulv")
        usage, threads = cubin.parse_usage(lines("usage.txt")), cubin.parse_threads(
            lines("elf.txt")
        )
        found = check.report(
            key, "matmul", functions()[key], usage[key], threads[key], 65536, RATES
        )
        self.assertEqual((found.stack, found.spills, found.tensor_instructions), (24, 1, 3))
        self.assertEqual(found.occupancy, machine.Occupancy(2, 16, "shared memory"))
        self.assertAlmostEqual(found.figures.share, 2 / 11)
        # LDGSTS and LDSM of 16 cycles and SHFL of 4 against two HMMA of 8.
        self.assertAlmostEqual(found.figures.tensor, 16 / 36)
        self.assertAlmostEqual(found.best, 16 / 20)
        self.assertEqual(found.limit, "l1")

    def test_reports(self):
        class Tools:
            def __init__(self, repeat):
                self.repeat = repeat

            def usage(self):
                return cubin.parse_usage(lines("usage.txt"))

            def threads(self):
                return cubin.parse_threads(lines("elf.txt"))

            def code(self, wanted):
                for arch, name, code in sass.parse(lines("loops.sass") * self.repeat):
                    if arch == wanted:
                        yield name, code

        limits = {"sums": budget.Kernel(2048, {})}
        found = check.reports(Tools(1), RATES, limits)
        self.assertEqual(
            [(r.name, r.arch, r.threads, r.dynamic) for r in found],
            [
                ("copy", "sm_80", None, None),
                ("matmul", "sm_80", 256, None),
                ("sums", "sm_90a", 256, 2048),
            ],
        )
        with self.assertRaises(machine.Error):
            check.reports(Tools(2), RATES, limits)

    def test_without_tensor_cores(self):
        key = ("sm_90a", "_Z4sumsv")
        usage = cubin.parse_usage(lines("usage.txt"))
        found = check.report(key, "sums", functions()[key], usage[key], 256, None, RATES)
        self.assertIsNone(found.figures.tensor)
        self.assertIsNone(found.occupancy)
        self.assertEqual((found.figures.dram, found.limit), (1.0, "dram"))


if __name__ == "__main__":
    unittest.main()
