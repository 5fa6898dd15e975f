// What keeps calls that are made again from multiplying the load: a share of the calls, saved up to a few.
import { RETRIES_AT_START, RETRIES_SAVED, RETRY_BUDGET } from "./limits.js";

export class CallBudget {
  private tokens = RETRIES_AT_START;

  earn(): void {
    this.tokens = Math.min(this.tokens + RETRY_BUDGET, RETRIES_SAVED);
  }

  spend(): boolean {
    if (this.tokens < 1) return false;
    this.tokens -= 1;
    return true;
  }
}
