"""Trains a small classifier on tiles of one artifact, on a CPU, in under a minute.

    python examples/train_tiles.py site --out runs/nuclei

The task is to tell from a picture of a nucleus and what lies around it in which of three groups
it is, by how much DAB stain is there. The groups of the default collection's `ihc-nuclei` were
worked out from the same pixels, so this can be learned; it shows the way, and is no result.
Beside the checkpoint stands `ro-crate-metadata.json`: from which artifact, by which code, with which
parameters and packages, and when it was made. Needs the extras `ml` and `lineage`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

import portal
from portal.lineage import tracking

PIXELS = 32


def network(classes: int) -> nn.Module:
    """Two convolutions and a mean over the tile: 6,000 weights."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, classes),
    )


def split(x: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Which tiles to learn from and which to test with: the left of the image and the right.

    Tiles that reach over the border are in neither, so that no pixel is in both.
    """
    border = np.quantile(x, 0.7)
    return x < border - width / 2, x > border + width / 2


def train(
    images: torch.Tensor, labels: torch.Tensor, classes: int, epochs: int
) -> tuple[nn.Module, list[float]]:
    """The network after some rounds over all tiles, each turned at random, and the losses."""
    model = network(classes)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    share = torch.bincount(labels, minlength=classes).float()
    loss_of = nn.CrossEntropyLoss(weight=share.sum() / share)
    losses = []
    for _ in range(epochs):
        total = 0.0
        for batch in torch.randperm(len(images)).split(32):
            turned = torch.rot90(images[batch], int(torch.randint(4, ())), (2, 3))
            loss = loss_of(model(turned), labels[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item() * len(batch)
        losses.append(total / len(images))
    return model, losses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("portal", help="address or folder of a portal")
    parser.add_argument("--id", default="ihc-nuclei", help="artifact")
    parser.add_argument("--label", default="group", help="column of the table to learn")
    parser.add_argument("--out", type=Path, default=Path("runs/tiles"))
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)  # so small a network gains nothing from more

    artifact = portal.open(args.portal).get(args.id)
    tiles = artifact.tiles(
        tile_dim=PIXELS,
        rasterize=True,
        rasterize_kwargs={"target_width": PIXELS},
        return_annotations=args.label,
    )
    args.out.mkdir(parents=True, exist_ok=True)
    checkpoint = args.out / "classifier.pt"
    parameters = {"seed": args.seed, "epochs": args.epochs, "tiles": tiles.provenance.parameters}
    with tracking(checkpoint, inputs=[tiles], parameters=parameters, script=__file__) as run:
        images = np.stack([np.asarray(tile) for tile, _ in tiles]) / 255  # (n, 3, y, x), 0 to 1
        column = tiles.dataset_table.obs[args.label].astype("category")
        names, codes = list(column.cat.categories), column.cat.codes.to_numpy()
        learn, test = split(tiles.tiles_coords["x"].to_numpy(), PIXELS)
        x = torch.tensor(images, dtype=torch.float32)
        y = torch.tensor(codes, dtype=torch.long)
        model, losses = train(x[learn], y[learn], len(names), args.epochs)
        with torch.no_grad():
            right = (model(x[test]).argmax(1) == y[test]).float().mean().item()
        figures = {
            "tiles_learned": int(learn.sum()),
            "tiles_tested": int(test.sum()),
            "loss_first": losses[0],
            "loss_last": losses[-1],
            "accuracy": right,
            "accuracy_of_the_commonest": y[test].bincount().max().item() / int(test.sum()),
        }
        run.parameters["result"] = figures
        torch.save({"weights": model.state_dict(), "classes": names}, checkpoint)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
