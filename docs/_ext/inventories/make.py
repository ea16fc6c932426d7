"""Make the inventories: the names that PyTorch's and Python's documentation describe, and where.

There is no network when the book is built. PyTorch publishes its inventory with its site only, so
this reads the names from the installed torch, and puts them where its documentation is known to:
a class of torch.nn, a function or a method of a tensor has a page of its own under ``generated``.
A name without a docstring has no page, and is left out.

Python's come from the file in Debian's package python3.11-doc, without all that is not Python's:

    python docs/_ext/inventories/make.py /usr/share/doc/python3.11/html/objects.inv
"""

import inspect
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import sphobjinv
import torch
from torch import nn

HERE = Path(__file__).parent
# these stand together on one page; a module without an anchor is the page itself
PAGES = {
    "tensors.html": ["torch.Tensor", "torch.Tensor.H", "torch.Tensor.T", "torch.Tensor.mH", "torch.Tensor.mT"],
    "size.html": ["torch.Size"],
    "tensor_attributes.html": ["torch.dtype", "torch.device"],
    "type_info.html": ["torch.finfo", "torch.iinfo"],
    "optim.html": ["torch.optim.Optimizer"],
    "autograd.html": ["torch.autograd.Function"],
    "testing.html": ["torch.testing.assert_close", "torch.testing.make_tensor"],
    "nn.init.html": [
        f"torch.nn.init.{name}"
        for name in dir(nn.init)
        if name == "calculate_gain" or (name.endswith("_") and not name.startswith("_"))
    ],
}
MODULES = ("torch", "torch.autograd", "torch.linalg", "torch.nn", "torch.nn.functional", "torch.nn.init")
MODULES += ("torch.optim", "torch.testing")
# written in Python, where a docstring alone does not tell
FUNCTIONS = {
    "torch": "block_diag compile einsum get_default_device get_rng_state initial_seed is_tensor load manual_seed "
    "meshgrid norm save seed set_default_device set_default_dtype set_printoptions set_rng_state split vmap",
    "torch.autograd": "backward grad",
    "torch.autograd.gradcheck": "gradcheck gradgradcheck",
    "torch.nn.functional": "binary_cross_entropy binary_cross_entropy_with_logits cosine_similarity cross_entropy "
    "dropout elu embedding gelu huber_loss kl_div l1_loss layer_norm leaky_relu linear log_softmax mse_loss nll_loss "
    "normalize one_hot pad relu relu_ scaled_dot_product_attention selu sigmoid silu smooth_l1_loss softmax softplus "
    "tanh",
    "torch.nn.utils": "clip_grad_norm_ clip_grad_value_ parameters_to_vector vector_to_parameters",
    "torch.Tensor": "backward detach detach_ device grad imag is_cuda is_leaf is_meta is_quantized istft itemsize "
    "nbytes ndim norm real register_hook requires_grad retains_grad shape share_memory_ split stft unique",
    "torch.optim.Optimizer": "add_param_group load_state_dict state_dict step zero_grad",
}
CLASSES = {
    "torch": "Generator enable_grad inference_mode no_grad set_grad_enabled",
    "torch.nn.parameter": "Buffer Parameter UninitializedBuffer UninitializedParameter",
    "torch.optim": "Adadelta Adafactor Adagrad Adam AdamW Adamax ASGD LBFGS Muon NAdam RAdam RMSprop Rprop SGD",
}


def torch_entries() -> Iterator[tuple[str, str, str]]:
    """Yield the role, the name and the address of what PyTorch documents."""
    for name in MODULES:
        yield "module", name, f"{name.removeprefix('torch.')}.html"
    for page, names in PAGES.items():
        for name in names:
            yield role_of(name), name, f"{page}#{name}"
    for parent, names in CLASSES.items():
        for name in names.split():
            yield "class", *page_of(f"{parent}.{name}")
    for parent, names in FUNCTIONS.items():
        for name in names.split():
            yield role_of(f"{parent}.{name}"), *page_of(f"{parent}.{name}")
    for module in (torch, torch.linalg):
        for name in documented(module):
            # what torch.nn.functional has too is only bound here by the way
            here_by_the_way = hasattr(nn.functional, name) and name not in ("sigmoid", "tanh")
            if begins_with_signature(module, name) and not here_by_the_way:
                yield role_of(f"{module.__name__}.{name}"), *page_of(f"{module.__name__}.{name}")
    for name in documented(torch.Tensor):
        if begins_with_signature(torch.Tensor, name):
            yield "method", *page_of(f"torch.Tensor.{name}")
    for name in nn.modules.__all__:
        block = getattr(nn, name)
        if not block.__doc__:
            continue
        place = block.__module__ if name in ("Flatten", "Unflatten") else "torch.nn"
        _, address = page_of(f"{place}.{name}")
        yield "class", f"torch.nn.{name}", address
        for method in documented(block):
            if method in vars(block) and inspect.isfunction(vars(block)[method]):
                yield "method", f"torch.nn.{name}.{method}", f"{address}.{method}"


def find(name: str) -> object:
    """Return what a dotted name stands for."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found: object = import_module(".".join(parts[:cut]))
        except ImportError:
            continue
        for part in parts[cut:]:
            found = getattr(found, part)
        return found
    raise ImportError(name)


def page_of(name: str) -> tuple[str, str]:
    return name, f"generated/{name}.html#{name}"


def documented(thing: object) -> list[str]:
    return [name for name in dir(thing) if not name.startswith("_") and getattr(thing, name).__doc__]


def begins_with_signature(thing: object, name: str) -> bool:
    """Tell whether a docstring was written for the documentation."""
    found = getattr(thing, name)
    signatures = f"{name}(", f"linalg.{name}("
    return callable(found) and (inspect.getdoc(found) or "").startswith(signatures)


def role_of(name: str) -> str:
    thing, parent = find(name), find(name.rpartition(".")[0])
    if inspect.isclass(thing):
        return "class"
    if not inspect.isclass(parent):
        return "function"
    return "method" if callable(thing) else "attribute"


def aliases(name: str) -> Iterator[str]:
    """Yield what else a class is called: where it is defined, and where it is imported from."""
    if inspect.isclass(thing := find(name)):
        yield f"{thing.__module__}.{thing.__qualname__}"
    elif "." in name and inspect.isclass(parent := find(name.rpartition(".")[0])):
        yield f"{parent.__module__}.{parent.__qualname__}.{name.rpartition('.')[2]}"
    if name.startswith("torch.nn.parameter."):
        yield name.replace("parameter.", "")


def torch_inventory() -> sphobjinv.Inventory:
    inventory = sphobjinv.Inventory()
    inventory.project, inventory.version = "PyTorch", torch.__version__.partition("+")[0]
    found: dict[str, tuple[str, str]] = {}
    for role, name, address in torch_entries():
        for one in (name, *aliases(name)):
            found.setdefault(one, (role, address))
    for name, (role, address) in sorted(found.items()):
        inventory.objects.append(
            sphobjinv.DataObjStr(name=name, domain="py", role=role, priority="1", uri=address, dispname="-")
        )
    return inventory


def python_inventory(published: str) -> sphobjinv.Inventory:
    inventory = sphobjinv.Inventory(published)
    inventory.objects[:] = [entry for entry in inventory.objects if entry.domain == "py"]
    return inventory


def write(inventory: sphobjinv.Inventory, path: Path) -> None:
    sphobjinv.writebytes(path, sphobjinv.compress(inventory.data_file(contract=True)))
    print(f"{path.name}: {inventory.count} names")


if __name__ == "__main__":
    write(torch_inventory(), HERE / "torch.inv")
    for published in sys.argv[1:]:
        write(python_inventory(published), HERE / "python.inv")
