# The proof engines: tests/proof/README.md says what each part does. Included by the Makefile.
.PHONY: check-proof replay deep-printed
.PHONY: deep-explored deep-explored-three deep-explored-alone deep-explored-late deep-explored-endpoint
.PHONY: deep-simulated deep-simulated-all deep-simulated-asleep deep-versions deep-stateful deep-crosshair

PROOF := PYTHONPATH=. $(PY) -m tests.proof
RECORDED := REPORTDL_RECORD=1 $(PROOF)
# The first line of a part: what it does not write any more must not stay in the page.
FRESH = REPORTDL_RECORD=1 PYTHONPATH=. $(PY) -m tests.proof.figures fresh "make $@"
# The oracle's judgement of a whole trace takes several times as long as the session, so of a million it has every 50th.
SEEDS ?= 0:1000000
# Of a seed to be replayed: awake or asleep.
KIND ?= awake
# The other Pythons lend their interpreter alone: the few packages that are needed hold no compiled code.
PYTHONS ?= $(wildcard $(HOME)/.pyenv/versions/3.12.*/bin/python $(HOME)/.pyenv/versions/3.13.*/bin/python)

check: check-proof
DEEP += deep-printed deep-explored deep-explored-three deep-explored-alone deep-explored-late deep-explored-endpoint
DEEP += deep-simulated deep-simulated-all deep-simulated-asleep deep-versions deep-stateful deep-crosshair

# What every commit measures and only prints, written into the page.
deep-printed: $(READY)
	@REPORTDL_RECORD=1 $(MAKE) --no-print-directory check-core check-proof
	@REPORTDL_RECORD=1 $(PYTEST) tests/mutants/test_table_mutants.py

# Prints; what it explores has its rows by `make deep-explored`.
check-proof: $(READY)
	@REPORTDL_RECORD= $(PROOF) explored check --by "make deep-explored"
	@$(PROOF) simulated --seeds 0:20000 --row "simulated, on every commit" --by "make check-proof"

replay: $(READY)
	@$(PROOF) replay $(SEED) --kind $(KIND)

deep-explored: $(READY)
	@$(FRESH)
	@$(RECORDED) explored check --by "make deep-explored"
	@$(RECORDED) explored readings --by "make deep-explored"
	@$(RECORDED) explored two --by "make deep-explored"

deep-explored-three: $(READY)
	@$(FRESH)
	@$(RECORDED) explored three --by "make deep-explored-three"

deep-explored-alone: $(READY)
	@$(FRESH)
	@$(RECORDED) explored alone --by "make deep-explored-alone"

deep-explored-late: $(READY)
	@$(FRESH)
	@$(RECORDED) explored late --by "make deep-explored-late"

deep-explored-endpoint: $(READY)
	@$(FRESH)
	@$(RECORDED) explored endpoint --by "make deep-explored-endpoint"

# Ten million: make deep-simulated SEEDS=0:10000000
deep-simulated: $(READY)
	@$(RECORDED) simulated --seeds $(SEEDS) --judge 50 --row "simulated, seeds $(SEEDS)" --by "make deep-simulated SEEDS=$(SEEDS)"

deep-simulated-all: $(READY)
	@$(FRESH)
	@$(RECORDED) simulated --seeds 20000:70000 --row "simulated, every session judged whole" --by "make deep-simulated-all"

deep-simulated-asleep: $(READY)
	@$(FRESH)
	@$(RECORDED) simulated --kind asleep --seeds 0:30000 --row "simulated, machines that sleep, each judged whole" --by "make deep-simulated-asleep"

deep-versions: $(READY)
	@$(FRESH)
	@$(RECORDED) versions $(PYTHONS)

deep-stateful: $(READY)
	@$(FRESH)
	@$(RECORDED) tested --by "make deep-stateful" "stateful properties, at every depth" -- -m deep --timeout=1500 tests/proof/test_proof_machine.py

deep-crosshair: export REPORTDL_BACKEND := crosshair
deep-crosshair: export REPORTDL_EXAMPLES ?= 400
deep-crosshair: $(READY)
	@$(FRESH)
	@$(RECORDED) tested --by "make deep-crosshair" "time and parsers, under a solver" -- --timeout=900 tests/proof/test_crosshair.py
