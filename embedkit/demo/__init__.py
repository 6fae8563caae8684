"""Synthetic radiographs and a synthetic PACS dump with planted faults, to try everything on."""

from embedkit.demo.anatomy import REGIONS
from embedkit.demo.drawing import draw_radiograph
from embedkit.demo.dump import DemoImage, write_demo_dump

__all__ = ["REGIONS", "DemoImage", "draw_radiograph", "write_demo_dump"]
