"""A film of some episodes: an animated GIF, an MP4, or a sheet of stills as PNG."""

from __future__ import annotations

import contextlib
import importlib
import subprocess
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from arlbench.errors import ConfigurationError, MissingExtraError, RenderingError, did_you_mean

#: The longest side of a picture, in pixels; small pictures are enlarged by an integer factor.
MAX_SIDE = 400

#: The largest number of frames; a longer film would not fit into memory, and nobody would watch it.
MAX_FRAMES = 5_000

#: Seconds for which the last picture of an episode is shown.
HOLD_SECONDS = 1.0

# Every film contains this text, which must be found before a file is overwritten.
_MARK = "film of arlbench play"

# Frame rates for which a frame lasts whole hundredths of a second, as GIF needs, and the longest
# duration of an episode in seconds, if the rates allow it.
_SPEEDS = (5, 10, 20, 50)
_SECONDS_AN_EPISODE = 12.0

# Colours of a GIF: all of them if they are at most this many, otherwise few, for a small file.
_MAX_COLOURS = 256
_FEW_COLOURS = 64

# The number of pictures from which colours are chosen.
_SAMPLED_FRAMES = 16

_SHEET_COLUMNS = 4
_SHEET_ROWS = 4
_SHEET_MARGIN = 8


class Reel:
    """The frames of a film, compressed, episode by episode."""

    def __init__(self) -> None:
        self._frames: list[bytes] = []
        self._shape: tuple[int, ...] = ()
        self._begins = [0]

    def add(self, frame: np.ndarray) -> None:
        """Adds the next frame, uint8 ``[height, width, 3]``.

        Raises:
            RenderingError: If it is not a picture, has another size than earlier frames, or
                exceeds the number of frames.
        """
        frame = np.asarray(frame)
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
            raise RenderingError(
                f"The environment drew {frame.dtype}{list(frame.shape)}, which is not a picture "
                "uint8[height, width, 3]."
            )
        if len(self) == MAX_FRAMES:
            raise RenderingError(
                f"The film would have more than {MAX_FRAMES} frames; ask for fewer episodes or "
                "steps."
            )
        frame = _reduced(frame)
        self._shape = self._shape or frame.shape
        if frame.shape != self._shape:
            raise RenderingError(
                f"The environment drew pictures of different sizes, {list(self._shape)} and "
                f"{list(frame.shape)}, but all pictures of a film need the same size."
            )
        self._frames.append(zlib.compress(frame.tobytes(), level=1))

    def end_episode(self) -> None:
        """Ends the episode; the next frame belongs to another one."""
        self._begins.append(len(self))

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> np.ndarray:
        """A frame as it is stored: reduced if it was large, not enlarged."""
        content = zlib.decompress(self._frames[index])
        return np.frombuffer(content, np.uint8).reshape(self._shape)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[index] for index in range(len(self)))

    @property
    def episodes(self) -> list[range]:
        """The indices of each episode's frames."""
        ends = [*self._begins[1:], len(self)]
        spans = (range(begin, end) for begin, end in zip(self._begins, ends, strict=True))
        return [span for span in spans if span]

    @property
    def enlargement(self) -> int:
        """The factor by which pictures are enlarged in a film."""
        return max(1, MAX_SIDE // max(self._shape[:2]))


def choose_format(name: str | None, out: Path | None) -> str:
    """The format of a film from the user's choice and file name; by default ``gif``.

    Raises:
        ConfigurationError: If the format does not exist, or contradicts the file's name.
    """
    ending = out.suffix.lower().removeprefix(".") if out is not None else ""
    chosen = name if name is not None else ending or "gif"
    if chosen not in FORMATS:
        raise ConfigurationError(
            f"Unknown format {chosen!r} for a film.{did_you_mean(chosen, FORMATS)} "
            f"Known: {', '.join(FORMATS)}."
        )
    if ending and ending != chosen:
        raise ConfigurationError(
            f"{out} ends in .{ending}, but the format is {chosen}; leave one of the two out."
        )
    return chosen


def check_writable(path: Path, film_format: str) -> None:
    """Raises if a film cannot be written, before any time is spent on it.

    Raises:
        RenderingError: If the folder does not exist or cannot be written, or if the path is
            something other than a film.
        MissingExtraError: If the format needs a package that is missing.
    """
    if film_format == "mp4":
        _ffmpeg()
    try:
        foreign = path.exists() and not _is_film(path)
        with _part(path).open("wb"):
            pass
        _part(path).unlink()
    except OSError as error:
        raise _unwritable(path, error) from error
    if foreign:
        raise RenderingError(
            f"{path} exists already and is not a film of this command; choose another --out."
        )


def frames_per_second(reel: Reel) -> int:
    """High enough to watch the longest episode to its end; low if that episode is short."""
    longest = max(len(episode) for episode in reel.episodes)
    return next((fps for fps in _SPEEDS if longest <= fps * _SECONDS_AN_EPISODE), _SPEEDS[-1])


def write(path: Path, reel: Reel, film_format: str, fps: int) -> None:
    """Writes a film; if this fails, ``path`` stays as it was.

    Args:
        path: The file.
        reel: At least one frame.
        film_format: One of ``FORMATS``.
        fps: Frames per second; not used for a sheet of stills.

    Raises:
        RenderingError: If it cannot be written.
        MissingExtraError: If the format needs a package that is missing.
    """
    check_writable(path, film_format)
    temporary = _part(path)
    try:
        FORMATS[film_format](temporary, reel, fps)
        if not _is_film(temporary):
            raise OSError("the written file is incomplete")
        temporary.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _write_gif(path: Path, reel: Reel, fps: int) -> None:
    duration = round(100 / fps) * 10
    durations = [duration] * len(reel)
    for episode in reel.episodes:
        durations[episode[-1]] += round(HOLD_SECONDS * 1000)
    palette, frames = _indexed(reel)

    def images() -> Iterator[Image.Image]:
        for indices in frames:
            image = Image.fromarray(_enlarged(indices, reel.enlargement))
            image.putpalette(palette)
            yield image

    rest = images()
    next(rest).save(
        path, "GIF", save_all=True, append_images=rest, duration=durations, loop=0, comment=_MARK,
        optimize=False,
    )  # fmt: skip


def _write_mp4(path: Path, reel: Reel, fps: int) -> None:
    height, width = _even(_enlarged(reel[0], reel.enlargement)).shape[:2]
    command = [
        _ffmpeg(), "-y", "-v", "quiet",
        "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(fps), "-i", "-",
        "-c:v", "libx264", "-crf", "20", "-pix_fmt", "yuv420p", "-movflags", "+faststart",
        "-metadata", f"comment={_MARK}", "-f", "mp4", str(path),
    ]  # fmt: skip
    last = {episode[-1] for episode in reel.episodes}
    # imageio_ffmpeg itself would fork this process, which may hang because JAX has threads.
    with (
        contextlib.suppress(BrokenPipeError),
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process,
    ):
        for index, frame in enumerate(reel):
            picture = _even(_enlarged(frame, reel.enlargement)).tobytes()
            n_copies = 1 + round(HOLD_SECONDS * fps) * (index in last)
            process.stdin.write(picture * n_copies)  # type: ignore[union-attr]
    if process.returncode:
        raise OSError("ffmpeg could not write it")


def _write_sheet(path: Path, reel: Reel, fps: int) -> None:
    """Writes evenly spaced stills; each episode begins a new row."""
    rows = [row for episode in reel.episodes for row in _rows_of_stills(reel, episode)]
    height, width = (side * reel.enlargement for side in reel[0].shape[:2])
    cell = np.array([height + _SHEET_MARGIN, width + _SHEET_MARGIN])
    size = (*(cell * [len(rows), _SHEET_COLUMNS] + _SHEET_MARGIN), 3)
    sheet = np.full(size, 255, np.uint8)
    for i, row in enumerate(rows):
        for j, index in enumerate(row):
            top, left = cell * [i, j] + _SHEET_MARGIN
            still = _enlarged(reel[index], reel.enlargement)
            sheet[top : top + height, left : left + width] = still
    mark = PngInfo()
    mark.add_text("Comment", _MARK)
    Image.fromarray(sheet).save(path, "PNG", pnginfo=mark, optimize=True)


def _rows_of_stills(reel: Reel, episode: range) -> list[np.ndarray]:
    """The indices of an episode's stills, including its first and last frame."""
    n_rows = max(1, _SHEET_ROWS // len(reel.episodes))
    evenly = np.linspace(episode[0], episode[-1], n_rows * _SHEET_COLUMNS)
    chosen = np.unique(evenly.round().astype(int))
    return np.split(chosen, range(_SHEET_COLUMNS, len(chosen), _SHEET_COLUMNS))


#: The writer for each format.
FORMATS: dict[str, Callable[[Path, Reel, int], None]] = {
    "gif": _write_gif,
    "mp4": _write_mp4,
    "png": _write_sheet,
}


def _part(path: Path) -> Path:
    """The path of a film while it is written."""
    return path.with_name(f".{path.name}.part")


def _is_film(path: Path) -> bool:
    return _MARK.encode() in path.read_bytes()


def _indexed(reel: Reel) -> tuple[bytes, Iterator[np.ndarray]]:
    """Makes a palette for all frames, and the frames as indices into it, uint8 ``[H, W]``."""
    is_used = np.zeros(2**24, bool)
    for frame in reel:
        is_used[_packed(frame)] = True
    numbers = np.flatnonzero(is_used)
    colours = np.stack([numbers >> 16, numbers >> 8 & 255, numbers & 255], axis=1)
    palette = colours if len(colours) <= _MAX_COLOURS else _few_colours(reel)
    index_of = np.zeros(2**24, np.uint8)
    for part in np.array_split(np.arange(len(numbers)), len(numbers) // 2**14 + 1):
        distances = np.square(colours[part, None] - palette[None]).sum(axis=-1)
        index_of[numbers[part]] = distances.argmin(axis=1)
    return palette.astype(np.uint8).tobytes(), (index_of[_packed(frame)] for frame in reel)


def _few_colours(reel: Reel) -> np.ndarray:
    """Colours close to those of some of the frames, including rare ones, ``[n, 3]``."""
    chosen = np.linspace(0, len(reel) - 1, _SAMPLED_FRAMES).round().astype(int)
    sample = Image.fromarray(np.concatenate([reel[index] for index in chosen]))
    few = sample.quantize(_FEW_COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=1)
    return np.array(few.getpalette(), np.int64).reshape(-1, 3)


def _packed(frame: np.ndarray) -> np.ndarray:
    """One number for each colour, ``[H, W]``."""
    red, green, blue = np.moveaxis(frame.astype(np.uint32), -1, 0)
    return red << 16 | green << 8 | blue


def _reduced(frame: np.ndarray) -> np.ndarray:
    """The frame, reduced until both sides are at most ``MAX_SIDE``."""
    height, width = frame.shape[:2]
    scale = MAX_SIDE / max(height, width)
    if scale >= 1:
        return frame
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS))


def _enlarged(frame: np.ndarray, factor: int) -> np.ndarray:
    return frame.repeat(factor, axis=0).repeat(factor, axis=1)


def _even(frame: np.ndarray) -> np.ndarray:
    """The frame with even sides, which videos need; an odd side gets its last line twice."""
    height, width = frame.shape[:2]
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def _ffmpeg() -> str:
    """The program that writes MP4."""
    try:
        return str(importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise MissingExtraError(
            "A film of the format mp4 needs ffmpeg, which is missing; install it with: "
            "pip install 'arlbench[mp4]', or use --format gif."
        ) from error


def _unwritable(path: Path, error: OSError) -> RenderingError:
    reason = error.strerror or str(error).strip().partition("\n")[0]
    return RenderingError(
        f"The film cannot be written to {path} ({reason}); choose another --out, or make room."
    )
