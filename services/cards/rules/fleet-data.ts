/** What a fuel pump sends along, where the network carries it. Each is null when it was not sent. */
export interface FleetData {
  /** As typed at the pump's prompts. */
  readonly driverId: string | null;
  readonly vehicleId: string | null;
  readonly odometer: bigint | null;
  /** Millilitres. */
  readonly fuelVolumeMl: bigint | null;
  readonly fuelType: string | null;
}
