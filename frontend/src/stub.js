/**
 * Stands in for the views that no page of ours offers: three-dimensional ones, HiGlass (genomes), Neuroglancer (meshes).
 * Loading it does nothing; only showing such a view says what is missing, within Vitessce's own frame.
 */
export default function Missing() {
  throw new Error('This kind of view is not part of the portal.');
}

export { Missing as DRACOLoader, Missing as GLTFLoader, Missing as HiGlassComponent, Missing as SpatialWrapper };
