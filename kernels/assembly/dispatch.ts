/**
 * Which kernel runs a command.
 *
 * Made by kernels/build.ts from kernels/shared/operations.ts; change that and run `deno task kernels`.
 */
import { address, count, real } from "./command";
import { packInt4, packInt4Gathered, packInt4Interleaved, packInt8Gathered } from "./pack/codes";
import { packScales, packZeros } from "./pack/scales";
import { packDense, widen, copyFloats } from "./pack/dense";
import { packDenseCodes } from "./pack/dense_codes";
import { roundInputs } from "./pack/round";
import { packBlocks } from "./pack/blocks";
import { touch } from "./memory/touch";
import { checksum } from "./memory/checksum";
import { embed } from "./rows/embed";
import { rmsNorm, layerNorm } from "./rows/norms";
import { gatherColumns, spreadColumns, transpose, sumGroups } from "./rows/columns";
import { quantize } from "./rows/quantize";
import { activation, gatedActivation } from "./rows/activations";
import { addScaled } from "./rows/add";
import { matmulCodes } from "./matmul/codes";
import { matmulCodesF32, matmulDense } from "./matmul/f32";
import { ropeTable, rope } from "./attention/rope";
import { storeKeysValues } from "./attention/store";
import { attention } from "./attention/attention";
import { storeBytes, attendBytes } from "./attention/bytes";
import { attentionWeights } from "./attention/weights";
import { gptqToMarlin, marlinToGptq, marlinToPanels, marlinPermuteScales, unpackCodes } from "./pack/marlin";
import { sharesOf, takeShare } from "./share";

/** Operations of the lockstep itself. */
export const OPERATION_EXIT = 0;
export const OPERATION_MOVE = 1;

/** One thread's share of the operation in the command. */
export function execute(rank: i32, size: i32): void {
  switch (count(0)) {
    case 2:
      for (let share = takeShare(), shares = sharesOf(size); share < shares; share = takeShare()) {
        packInt4(address(1), count(2), count(3), count(4), count(5), address(6), share, shares);
      }
      break;
    case 3:
      for (let share = takeShare(), shares = sharesOf(size); share < shares; share = takeShare()) {
        packInt4Gathered(
          address(1), address(2), count(3), count(4), count(5), count(6), count(7), address(8), share, shares,
        );
      }
      break;
    case 4:
      for (let share = takeShare(), shares = sharesOf(size); share < shares; share = takeShare()) {
        packInt4Interleaved(address(1), count(2), count(3), count(4), count(5), address(6), share, shares);
      }
      break;
    case 5:
      for (let share = takeShare(), shares = sharesOf(size); share < shares; share = takeShare()) {
        packInt8Gathered(
          address(1), address(2), count(3), count(4), count(5), count(6), count(7), count(8), address(9), share, shares,
        );
      }
      break;
    case 6:
      packScales(
        address(1), count(2), count(3), count(4), count(5), count(6), count(7), count(8), address(9), rank, size,
      );
      break;
    case 7:
      packZeros(
        address(1), count(2), count(3), count(4), count(5), count(6), count(7), count(8), count(9), count(10),
        count(11), address(12), rank, size,
      );
      break;
    case 8:
      for (let share = takeShare(), shares = sharesOf(size); share < shares; share = takeShare()) {
        packDense(address(1), count(2), count(3), count(4), count(5), address(6), share, shares);
      }
      break;
    case 9:
      for (let share = takeShare(), shares = sharesOf(size); share < shares; share = takeShare()) {
        packDenseCodes(
          address(1), count(2), count(3), count(4), count(5), count(6), count(7), count(8), address(9), address(10),
          address(11), share, shares,
        );
      }
      break;
    case 10:
      roundInputs(
        address(1), address(2), address(3), address(4), address(5), count(6), count(7), count(8), count(9), count(10),
        real(11), count(12), count(13), address(14), address(15), address(16), address(17), address(18), address(19),
        rank, size,
      );
      break;
    case 11:
      for (let share = takeShare(), shares = sharesOf(size); share < shares; share = takeShare()) {
        packBlocks(
          address(1), count(2), count(3), count(4), count(5), count(6), address(7), address(8), address(9), address(10),
          share, shares,
        );
      }
      break;
    case 12:
      widen(address(1), count(2), count(3), real(4), address(5), rank, size);
      break;
    case 13:
      for (let share = takeShare(), shares = sharesOf(size); share < shares; share = takeShare()) {
        copyFloats(address(1), count(2), count(3), address(4), share, shares);
      }
      break;
    case 14:
      touch(address(1), address(2), rank, size);
      break;
    case 15:
      checksum(address(1), address(2), address(3), rank, size);
      break;
    case 16:
      embed(
        address(1), address(2), count(3), address(4), count(5), address(6), real(7), address(8), address(9),
        count(10), count(11), count(12), real(13), address(14), address(15), rank, size,
      );
      break;
    case 17:
      rmsNorm(
        address(1), address(2), address(3), count(4), count(5), count(6), real(7), address(8), address(9), rank, size,
      );
      break;
    case 18:
      layerNorm(
        address(1), address(2), address(3), address(4), count(5), count(6), real(7), address(8), address(9), rank,
        size,
      );
      break;
    case 19:
      gatherColumns(address(1), address(2), address(3), count(4), count(5), address(6), address(7), rank, size);
      break;
    case 20:
      spreadColumns(address(1), address(2), count(3), count(4), count(5), address(6), address(7), rank, size);
      break;
    case 21:
      transpose(address(1), address(2), count(3), count(4), address(5), address(6), rank, size);
      break;
    case 22:
      sumGroups(address(1), address(2), count(3), count(4), count(5), address(6), address(7), rank, size);
      break;
    case 23:
      quantize(
        address(1), address(2), count(3), count(4), count(5), count(6), address(7), address(8), address(9),
        address(10), rank, size,
      );
      break;
    case 24:
      activation(count(1), count(2), count(3), address(4), address(5), rank, size);
      break;
    case 25:
      gatedActivation(
        address(1), address(2), address(3), address(4), count(5), count(6), count(7), address(8), address(9), rank,
        size,
      );
      break;
    case 26:
      addScaled(address(1), address(2), count(3), count(4), count(5), real(6), address(7), address(8), rank, size);
      break;
    case 27:
      for (let item = 0, at: usize = 13; item < count(12); item++) {
        matmulCodes(
          count(1), address(2), address(3), address(4), address(5), count(6), count(7), count(8), count(9), count(10),
          address(11), address(at), address(at + 1), address(at + 2), count(at + 3), address(at + 4), address(at + 5),
          address(at + 6), count(at + 7), count(at + 8), address(at + 9), address(at + 10), rank, size,
        );
        at += 11;
      }
      break;
    case 28:
      matmulCodesF32(
        address(1), address(2), address(3), count(4), address(5), address(6), real(7), address(8), count(9),
        count(10), count(11), count(12), count(13), address(14), address(15), rank, size,
      );
      break;
    case 29:
      matmulDense(
        address(1), address(2), address(3), address(4), count(5), address(6), count(7), count(8), count(9), count(10),
        address(11), address(12), rank, size,
      );
      break;
    case 30:
      ropeTable(address(1), count(2), count(3), count(4), real(5), address(6), rank, size);
      break;
    case 31:
      rope(address(1), count(2), count(3), count(4), count(5), address(6), address(7), rank, size);
      break;
    case 32:
      storeKeysValues(
        address(1), address(2), address(3), address(4), count(5), count(6), count(7), count(8), count(9), address(10),
        rank, size,
      );
      break;
    case 33:
      attention(
        address(1), address(2), address(3), address(4), count(5), count(6), count(7), count(8), count(9), count(10),
        count(11), count(12), real(13), count(14), address(15), address(16), address(17), address(18), rank, size,
      );
      break;
    case 34:
      storeBytes(
        address(1), address(2), address(3), address(4), count(5), count(6), count(7), count(8), address(9), rank,
        size,
      );
      break;
    case 35:
      attendBytes(
        address(1), address(2), address(3), address(4), count(5), count(6), count(7), count(8), real(9), count(10),
        count(11), address(12), address(13), address(14), address(15), rank, size,
      );
      break;
    case 36:
      attentionWeights(
        address(1), address(2), address(3), count(4), count(5), count(6), count(7), count(8), real(9), address(10),
        rank, size,
      );
      break;
    case 37:
      gptqToMarlin(address(1), address(2), count(3), count(4), count(5), address(6), rank, size);
      break;
    case 38:
      marlinToGptq(address(1), address(2), count(3), count(4), count(5), address(6), rank, size);
      break;
    case 39:
      marlinToPanels(address(1), address(2), count(3), count(4), count(5), address(6), rank, size);
      break;
    case 40:
      marlinPermuteScales(address(1), count(2), count(3), address(4), rank, size);
      break;
    case 41:
      unpackCodes(address(1), count(2), count(3), count(4), address(5), rank, size);
      break;
    default:
      unreachable();
  }
}
